"""One run of a program: its process, its log file, and the lock that it holds until it ends.

A child has its own session, so that Ctrl-C in a terminal reaches only `docqa`, and the kernel ends it with `docqa`.
Knows nothing about what the programs do.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from contract.errors import AlreadyRunningError
from contract.runtime.files import make_folder
from contract.runtime.lock import FileLock
from contract.runtime.startup import START_AGAIN_STATUS
from ops.supervisor import parent_death

_LARGEST_LOG_BYTES: Final = 16 * 2**20
_TAIL_BYTES: Final = 4096
_FORMER_ENDS_WITHIN_S: Final = ((0.5, signal.SIGTERM), (5.0, signal.SIGKILL), (5.0, None))
"""Time for a child of a killed `docqa` to end by itself, after another SIGTERM, and after SIGKILL."""

_UNRECORDED_ENDS_WITHIN_S: Final = 5.0


@dataclass(frozen=True)
class Program:
    """What to run. `command[0]` is an absolute path; logs and locks live in the data folder."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    data_dir: Path

    @property
    def log_path(self) -> Path:
        return self.data_dir / "logs" / f"{self.name}.log"

    @property
    def lock_path(self) -> Path:
        return self.data_dir / "run" / f"{self.name}.lock"


class Child:
    """A process started by `spawn`."""

    def __init__(self, program: Program, process: asyncio.subprocess.Process, log_start: int) -> None:
        self.program = program
        self._process = process
        self._log_start = log_start

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.returncode

    async def wait(self) -> int:
        """Wait for its exit status, or minus the signal that ended it; trims its log meanwhile."""
        while True:
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(self._process.wait(), timeout=60)
            trim_log(self.program.log_path)

    async def ended(self) -> str:
        """Wait until it ends; returns a description of how it ended."""
        await self.wait()
        return self.ending()

    def signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def stop(self, grace_s: float) -> None:
        """Send SIGTERM, and SIGKILL if it is still running after `grace_s`."""
        self.signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), timeout=grace_s)
        except TimeoutError:
            self.signal(signal.SIGKILL)
            await self._process.wait()

    def last_log_line(self) -> str:
        """The last line that it logged, or how it ended if it logged nothing."""
        with self.program.log_path.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(min(self._log_start, size), size - _TAIL_BYTES))
            lines = log.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), self.ending())

    def ending(self) -> str:
        code = self.returncode or 0
        if code == START_AGAIN_STATUS:
            return "asks to be started again, as its log says"
        return f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"


@contextlib.asynccontextmanager
async def ended_on_error(child: Child, grace_s: float) -> AsyncIterator[None]:
    """Stop the child if the block ends with an error: until the end of the block it is not ready."""
    try:
        yield
    except BaseException:
        await child.stop(grace_s)
        raise


async def spawn(program: Program) -> Child:
    """Start the program, after ending a former one that a killed `docqa` left running."""
    lock = await _lock_after_former(program)
    try:
        make_folder(program.log_path.parent, 0o700)
        trim_log(program.log_path)
        with program.log_path.open("ab") as log:
            # Read before the start: the child shares this file descriptor and its position.
            log_start = log.tell()
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(parent_death.__file__), str(os.getpid())),
                *program.command,
                env=dict(program.environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=(lock.descriptor,),
            )
            child = Child(program, process, log_start)
            # On a full disk the process id cannot be recorded, and the process could not be ended later.
            async with ended_on_error(child, _UNRECORDED_ENDS_WITHIN_S):
                lock.name(process.pid)
            return child
    finally:
        lock.release()


async def _lock_after_former(program: Program) -> FileLock:
    lock = FileLock(program.lock_path)
    for patience_s, number in _FORMER_ENDS_WITHIN_S:
        if await lock.acquire_within(patience_s):
            return lock
        # The holder inherited this lock from a `docqa` that is gone: two servers must not share a store.
        if number and (pid := lock.holder()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
    raise AlreadyRunningError(f"An earlier {program.name} (process {lock.holder()}) does not end: stop it by hand.")


def trim_log(path: Path) -> None:
    """Move a large log to one older file. Its writer appends, so it continues at the start of the emptied file."""
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > _LARGEST_LOG_BYTES:
            shutil.copyfile(path, path.with_suffix(".log.1"))
            os.truncate(path, 0)
