"""One run of a program: its process, its log and the lock that it holds until it ends.

A child leads a session of its own, so that a terminal's Ctrl-C reaches only `docqa`, and is tethered:
it does not outlive `docqa`, however that ends. Knows nothing of what the programs do.
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
from ops.supervisor import parent_death

_LARGEST_LOG_BYTES: Final = 16 * 2**20
_TAIL_BYTES: Final = 4096
_FORMER_ENDS_WITHIN_S: Final = ((0.5, signal.SIGTERM), (5.0, signal.SIGKILL), (5.0, None))
"""How long a child of a killed `docqa` gets to end by itself, by a second SIGTERM, and by SIGKILL."""

_NAMELESS_ENDS_WITHIN_S: Final = 5.0


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
    """A process that was started here."""

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
        """Its exit status, or minus the signal that ended it. Keeps its log within bounds meanwhile."""
        while True:
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(self._process.wait(), timeout=60)
            trim_log(self.program.log_path)

    async def ended(self) -> str:
        """Wait for its end; how it ended, in words."""
        await self.wait()
        return self.ending()

    def signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def stop(self, grace_s: float) -> None:
        """Ask it to end, and make it end when it has not after `grace_s`."""
        self.signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), timeout=grace_s)
        except TimeoutError:
            self.signal(signal.SIGKILL)
            await self._process.wait()

    def last_words(self) -> str:
        """The last line that it wrote, or how it ended when it said nothing."""
        with self.program.log_path.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(min(self._log_start, size), size - _TAIL_BYTES))
            lines = log.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), self.ending())

    def ending(self) -> str:
        code = self.returncode or 0
        return f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"


@contextlib.asynccontextmanager
async def ended_on_error(child: Child, grace_s: float) -> AsyncIterator[None]:
    """Within the block the child is not ready yet: whatever ends the block early ends the child."""
    try:
        yield
    except BaseException:
        await child.stop(grace_s)
        raise


async def spawn(program: Program) -> Child:
    """Start the program; first sees to it that a former one, left by a killed `docqa`, is gone."""
    lock = await _lock_after_former(program)
    try:
        make_folder(program.log_path.parent, 0o700)
        trim_log(program.log_path)
        with program.log_path.open("ab") as log:
            # Before the start: the child shares this descriptor, and its position with it.
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
            # On a full disk it can't be named, and nobody could end what has no name.
            async with ended_on_error(child, _NAMELESS_ENDS_WITHIN_S):
                lock.name(process.pid)
            return child
    finally:
        lock.release()


async def _lock_after_former(program: Program) -> FileLock:
    lock = FileLock(program.lock_path)
    for patience_s, number in _FORMER_ENDS_WITHIN_S:
        if await lock.acquire_within(patience_s):
            return lock
        # Whoever holds this lock inherited it from a `docqa` that is gone: two servers must not share a store.
        if number and (pid := lock.holder()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
    raise AlreadyRunningError(f"A former {program.name} (process {lock.holder()}) does not end: end it by hand.")


def trim_log(path: Path) -> None:
    """Keep one older piece of a log that has grown large. Its writer appends, so it goes on at the new start."""
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > _LARGEST_LOG_BYTES:
            shutil.copyfile(path, path.with_suffix(".log.1"))
            os.truncate(path, 0)
