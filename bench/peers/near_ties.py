"""Measures how close the choice was where two greedy answers differ, with a tool of the worker."""

import asyncio
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from bench.harness.errors import BenchError


async def measure(model: Path, pairs: list[dict[str, str]]) -> list[dict[str, Any]]:
    """For each pair (query, context, first, second) the first difference and its nats; raises BenchError."""
    if not pairs:
        return []
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DOCQA_")}
    # The same model and tuning as the measured stacks, whose data folder was temporary too.
    with tempfile.TemporaryDirectory() as folder:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "inference_worker.tools.near_ties", stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            env={**clean, "MODEL_PATH": str(model.parent), "MODEL_NAME": model.name, "DOCQA_DATA_DIR": folder},
        )  # fmt: skip
        out, _ = await process.communicate(msgspec.json.encode(pairs))
    if process.returncode:
        sentence = msgspec.json.decode(out).get("sentence") if out else f"status {process.returncode}"
        raise BenchError(f"how close the choices were cannot be measured: {sentence}")
    forks: list[dict[str, Any]] = msgspec.json.decode(out)
    return forks
