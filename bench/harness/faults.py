"""Faults for a running stack: kills, pauses, a restart of the bus, a full disk. Each undoes itself."""

import asyncio
import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec
import psutil

from bench.harness.errors import BenchError
from bench.harness.run import Run
from bench.targets.stack import Stack

PAUSE_S: Final = (0.5, 3.0)
FULL_DISK_S: Final = 3.0
SMALL_DISK_MIB: Final = 64
ALIVE_WITHIN_S: Final = 30.0
POLL_EVERY_S: Final = 0.05

Part = str


class NeverBackError(Exception):
    """A part did not recover in time after the last fault: the argument is its name."""


class Fault(msgspec.Struct, frozen=True):
    """A kind of fault. `strike` returns when the fault is undone; the recovery is up to the system."""

    kind: str
    strike: Callable[[Run, Stack], Awaitable[None]]


def usual() -> list[Fault]:
    """Kills and pauses of every part, and a restart of the bus."""
    parts = ("worker", "ingress", "nats")
    kills = [Fault(f"kill -9 {part}", _killer(part, signal.SIGKILL)) for part in parts]
    pauses = [Fault(f"pause {part}", _pauser(part)) for part in parts]
    return [*kills, *pauses, Fault("restart nats", _killer("nats", signal.SIGTERM))]


def full_disk(folder: Path) -> Fault:
    """The disk of the bus's store is full for a few seconds."""

    async def strike(run: Run, stack: Stack) -> None:
        run.mark("full disk")
        ballast = folder / "ballast"
        try:
            _fill(ballast)
            await asyncio.sleep(FULL_DISK_S)
        finally:
            ballast.unlink(missing_ok=True)

    return Fault("full disk", strike)


@contextlib.asynccontextmanager
async def small_disk() -> AsyncIterator[Path]:
    """A small tmpfs for the time of a block; needs root. Raises BenchError."""
    folder = Path(tempfile.mkdtemp(prefix="dqd"))
    try:
        call("mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_MIB}m,mode=700", "docqa-bench", str(folder))
    except BenchError:
        folder.rmdir()
        raise
    try:
        yield folder
    finally:
        call("umount", "--lazy", str(folder))
        folder.rmdir()


def why_no_small_disk() -> str | None:
    """Why no small file system can be mounted here, or None."""
    return None if os.geteuid() == 0 else "no full disk: only root may mount a small one"


def _killer(part: Part, number: signal.Signals) -> Callable[[Run, Stack], Awaitable[None]]:
    async def strike(run: Run, stack: Stack) -> None:
        pid = await living(stack, part)
        run.mark(f"{'kill -9' if number == signal.SIGKILL else 'restart'} {part}")
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    return strike


def _pauser(part: Part) -> Callable[[Run, Stack], Awaitable[None]]:
    async def strike(run: Run, stack: Stack) -> None:
        pid = await living(stack, part)
        run.mark(f"pause {part}")
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            try:
                await asyncio.sleep(run.rng.uniform(*PAUSE_S))
            finally:
                os.kill(pid, signal.SIGCONT)

    return strike


async def living(stack: Stack, part: Part) -> int:
    """The id of the part's process, once one is alive: the last fault may have ended the previous one."""
    for _ in range(int(ALIVE_WITHIN_S / POLL_EVERY_S)):
        pid = stack.pids()[part]
        with contextlib.suppress(psutil.Error):
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                return pid
        await asyncio.sleep(POLL_EVERY_S)
    raise NeverBackError(part)


def _fill(ballast: Path) -> None:
    """Write until the small file system is full."""
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (2**20, 4096, 1):
            fill_by(file.write, b"\0" * size)


def fill_by(write: Callable[[bytes], int | None], block: bytes) -> None:
    with contextlib.suppress(OSError):
        while write(block) == len(block):
            pass


def call(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{command[0]} failed: {done.stderr.strip()}")
