"""Faults of the library: it or a reader is killed or stopped, its disk is full. And the documents that show its return.

Documents come in all the time; a fault's recovery is the time until one that was sent after it can be read.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil

from bench.documents.library import Documents, documents_of
from bench.harness.errors import BenchError
from bench.harness.faults import FULL_DISK_S, Fault, call, fill_by, living
from bench.harness.run import Run
from bench.targets.stack import Stack

_DISK_MIB: Final = 1600
"""The library takes nothing where less than 1 GiB is free. Only what is written takes place on the real disk."""
_EACH_S: Final = 1.0
_READER: Final = "library.readers"
_READER_WITHIN_S: Final = 20.0
_PAUSED_S: Final = 2.0
_SETTLED_WITHIN_S: Final = 90.0


class Brought(msgspec.Struct):
    """One document: when it was sent, when it was settled and how. Seconds of the run's clock."""

    sent_s: float
    ready_s: float | None = None
    state: str = ""


def usual() -> list[Fault]:
    """Kills of the library and of one of its readers, and a library that is paused (SIGSTOP)."""
    return [
        Fault("kill -9 library", _signalled("kill -9 library", signal.SIGKILL)),
        Fault("pause library", _paused),
        Fault("kill -9 reader", _killed_reader),
    ]


def full_disk(folder: Path) -> Fault:
    """The disk of the library's folder is full for some seconds."""

    async def strike(run: Run, stack: Stack) -> None:
        run.mark("full disk of library")
        ballast = folder / "ballast"
        try:
            with ballast.open("wb", buffering=0) as file:
                there = os.statvfs(folder)
                os.posix_fallocate(file.fileno(), 0, max(there.f_bavail * there.f_frsize - 2**20, 1))
                fill_by(file.write, b"\0" * 4096)
            await asyncio.sleep(FULL_DISK_S)
        except OSError:
            await asyncio.sleep(FULL_DISK_S)
        finally:
            ballast.unlink(missing_ok=True)

    return Fault("full disk of library", strike)


@contextlib.asynccontextmanager
async def disk(image: Path, folder: Path) -> AsyncIterator[None]:
    """A file system of its own for the library's folder for the time of a block; needs root. Raises BenchError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with image.open("wb") as file:
        file.truncate(_DISK_MIB * 2**20)
    call("mkfs.ext4", "-q", "-m", "0", str(image))
    call("mount", "-o", "loop", str(image), str(folder))
    try:
        yield
    finally:
        call("umount", "--lazy", str(folder))
        image.unlink(missing_ok=True)


@contextlib.asynccontextmanager
async def documents_come_in(run: Run, stack: Stack, brought: list[Brought]) -> AsyncIterator[None]:
    """One after the other for the time of a block; afterwards all are settled, or `state` says which are not."""
    async with documents_of(stack.uds) as documents:
        stopping = asyncio.Event()
        coming = asyncio.create_task(_bring(run, documents, brought, stopping))
        try:
            yield
        finally:
            stopping.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_SETTLED_WITHIN_S):
                    await coming
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)


async def recovered(brought: list[Brought], at_s: float, within_s: float) -> None:
    """Wait until a document that was sent after that moment is ready, or the time is over."""
    until_s = time.monotonic() + within_s
    while recovery_s(brought, at_s) is None and time.monotonic() < until_s:
        await asyncio.sleep(_EACH_S)


def recovery_s(brought: list[Brought], at_s: float) -> float | None:
    """Seconds from a moment until a document was ready that was sent after it."""
    ends = [one.ready_s - at_s for one in brought if one.sent_s > at_s and one.ready_s and one.state == "ready"]
    return min(ends, default=None)


async def _bring(run: Run, documents: Documents, brought: list[Brought], stopping: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as following:
        while not stopping.is_set():
            number = len(brought)
            one = Brought(run.clock.now_s())
            brought.append(one)
            following.create_task(_follow(run, documents, one, number))
            await asyncio.sleep(_EACH_S)


async def _follow(run: Run, documents: Documents, one: Brought, number: int) -> None:
    document = await documents.bring_in(f"chaos-{number}.txt", f"Document {number}: the rent is {number}.".encode())
    found: dict[str, Any] = await documents.settled(document)
    one.state, one.ready_s = str(found["state"]), run.clock.now_s()


def _signalled(what: str, number: signal.Signals) -> Any:
    async def strike(run: Run, stack: Stack) -> None:
        pid = await living(stack, "library")
        run.mark(what)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    return strike


async def _paused(run: Run, stack: Stack) -> None:
    pid = await living(stack, "library")
    run.mark("pause library")
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(_PAUSED_S)
        finally:
            os.kill(pid, signal.SIGCONT)


async def _killed_reader(run: Run, stack: Stack) -> None:
    """The next reader that runs; they live for moments, so none may be met."""
    until_s = time.monotonic() + _READER_WITHIN_S
    while time.monotonic() < until_s:
        with contextlib.suppress(psutil.Error):
            library = psutil.Process(await living(stack, "library"))
            for child in library.children(recursive=True):
                if any(_READER in word for word in child.cmdline()):
                    child.kill()
                    run.mark("kill -9 reader")
                    return
        await asyncio.sleep(0.002)
    raise BenchError("No reader was met within 20 s.")


def why_no_disk() -> str | None:
    """Why the library can have no disk of its own here, or None."""
    if os.geteuid() != 0:
        return "no full disk of library: only root may mount one"
    found = subprocess.run(["sh", "-c", "command -v mkfs.ext4 && test -e /dev/loop-control"], capture_output=True)
    return None if found.returncode == 0 else "no full disk of library: it needs mkfs.ext4 and loop devices"
