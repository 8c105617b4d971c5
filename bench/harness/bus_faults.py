"""Faults of the message bus that an operator makes: a password that is wrong for seconds, a bucket without room.

Works as the admin of a stack that the benchmark started, and undoes what it does.
"""

import asyncio
import contextlib
import os
import secrets
import signal
from pathlib import Path
from typing import Final

import nats.errors
import nats.js.errors

from bench.harness.faults import Fault
from bench.harness.run import Run
from bench.targets.stack import Stack
from contract import topology
from contract.bus import Bus, api

WRONG_FOR_S: Final = 2.0
FULL_FOR_S: Final = 3.0
_FILLER: Final = api.bucket_key(topology.RESULTS_BUCKET, "bench.filler.")
_SIZES: Final = (512 * 1024, 16 * 1024, 256)
"""Ever smaller, until not even a small result has room."""


def wrong_password(role: str) -> Fault:
    """nats-server knows another password for `role` for 2 s, as after a mistake in its configuration."""

    async def strike(run: Run, stack: Stack) -> None:
        config = stack.data_dir / "nats" / "nats-server.conf"
        right = (stack.data_dir / "nats" / "credentials" / role).read_text().strip()
        before = config.read_text()
        run.mark(f"wrong password of {role}")
        try:
            _reload(stack, config, before.replace(right, secrets.token_hex(32)))
            await asyncio.sleep(WRONG_FOR_S)
        finally:
            _reload(stack, config, before)

    return Fault(f"wrong password of {role}", strike)


def full_results() -> Fault:
    """The bucket of results takes nothing more for 3 s."""

    async def strike(run: Run, stack: Stack) -> None:
        run.mark("full results")
        async with stack.bus() as bus:
            try:
                run.filler_writes += await _fill(bus)
                await asyncio.sleep(FULL_FOR_S)
            finally:
                await bus.js.purge_stream(api.bucket_stream(topology.RESULTS_BUCKET), subject=f"{_FILLER}>")

    return Fault("full results", strike)


def _reload(stack: Stack, config: Path, text: str) -> None:
    """SIGHUP lets nats-server read its configuration again; one that was just restarted has read it."""
    config.write_text(text)
    with contextlib.suppress(ProcessLookupError):
        os.kill(stack.pids()["nats"], signal.SIGHUP)


async def _fill(bus: Bus) -> int:
    """Write until the bucket refuses; the number of writes."""
    count = 0
    for size_bytes in _SIZES:
        with contextlib.suppress(nats.js.errors.Error, nats.errors.Error, TimeoutError):
            while True:
                await bus.js.publish(f"{_FILLER}{secrets.token_hex(8)}", bytes(size_bytes))
                count += 1
    return count
