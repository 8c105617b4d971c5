"""Faults of a worker's surroundings: a wall clock that is wrong, a model file that is overwritten while it runs."""

import asyncio
import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.harness.faults import Fault
from bench.harness.run import Run
from bench.targets import processes
from bench.targets.stack import Stack

AHEAD_S: Final = 300
SKEWED_FOR_S: Final = 3.0
REPLACED_FOR_S: Final = 2.0
_FAKETIME: Final = ("/usr/lib/*/faketime/libfaketime.so.1", "/usr/lib/faketime/libfaketime.so.1")


def faketime() -> Path | None:
    """The library that gives a process another clock (Debian's package `faketime`), if it is installed."""
    return next((found for pattern in _FAKETIME for found in Path("/").glob(pattern.lstrip("/"))), None)


def skewed_clock(library: Path) -> Fault:
    """A second worker whose wall clock is 300 s ahead takes jobs beside the others for 3 s."""

    async def strike(run: Run, stack: Stack) -> None:
        environment = {
            **stack.worker_environment(0.1),
            "LD_PRELOAD": str(library),
            "FAKETIME": f"+{AHEAD_S}s",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }
        async with (
            processes.folder() as work,
            processes.part(work, "skewed", "-m", "inference_worker", **environment),
        ):
            run.mark("clock ahead")
            await asyncio.sleep(SKEWED_FOR_S)

    return Fault("clock ahead", strike)


def replaced_model(model: Path) -> Fault:
    """Other bytes are written over the model file that runs, and the right ones 2 s later."""

    async def strike(run: Run, stack: Stack) -> None:
        run.mark("model replaced")
        with _overwritten(model):
            await asyncio.sleep(REPLACED_FOR_S)

    return Fault("model replaced", strike)


@contextlib.contextmanager
def _overwritten(model: Path) -> Iterator[None]:
    kept = model.with_suffix(".kept")
    shutil.copyfile(model, kept)
    try:
        model.write_bytes(b"not a model")
        yield
    finally:
        shutil.copyfile(kept, model)
        kept.unlink()
