"""Measures how close the choice was where two greedy answers differ, with a tool of the worker."""

import asyncio
import os
import tempfile
from functools import partial
from pathlib import Path

import msgspec

from bench.harness.errors import BenchError
from contract import worker_tools
from contract.errors import DocQAError
from contract.worker_tools import Fork, NearTies, Pair


async def measure(model: Path, pairs: list[Pair]) -> list[Fork]:
    """For each pair its first difference; raises BenchError."""
    if not pairs:
        return []
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DOCQA_")}
    # The same model and tuning as the measured stacks, whose data folder was temporary too.
    with tempfile.TemporaryDirectory() as folder:
        environment = {**clean, "MODEL_PATH": str(model.parent), "MODEL_NAME": model.name, "DOCQA_DATA_DIR": folder}
        given = msgspec.json.encode(pairs)
        try:
            ask = partial(worker_tools.ask, "near_ties", NearTies, environment, given=given)
            reply = await asyncio.to_thread(ask)
        except DocQAError as error:
            raise BenchError(f"how close the choices were cannot be measured: {error}") from None
    return reply.forks
