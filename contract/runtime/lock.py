"""A lock that lives as long as a process: flock on a file that names the process."""

import asyncio
import contextlib
import fcntl
import os
import time
from pathlib import Path
from typing import Final

from contract.errors import AlreadyRunningError
from contract.runtime.files import make_folder

_POLL_S: Final = 0.02


class FileLock:
    """Held from `acquire` until `release`, or until the last process that inherited its descriptor ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Raises AlreadyRunningError when another process holds it, OSError when its file can't be written."""
        make_folder(self.path.parent, 0o700)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise AlreadyRunningError from None
        self._descriptor = descriptor
        try:
            self.name(os.getpid())
        except OSError:
            # A full disk: an open descriptor would keep the lock from everybody, this process included.
            self.release()
            raise

    async def acquire_within(self, patience_s: float) -> bool:
        """Ask for it again and again; False when nobody gave it up in time."""
        deadline = time.monotonic() + patience_s
        while True:
            with contextlib.suppress(AlreadyRunningError):
                self.acquire()
                return True
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(_POLL_S)

    @property
    def descriptor(self) -> int:
        """For a process that inherits the lock; raises ValueError while it is not held."""
        if self._descriptor is None:
            raise ValueError(f"{self.path} is not locked")
        return self._descriptor

    def name(self, pid: int) -> None:
        """Write down who holds the lock."""
        os.truncate(self.descriptor, 0)
        os.pwrite(self.descriptor, f"{pid}\n".encode(), 0)

    def holder(self) -> int | None:
        """The process that wrote its id last; it holds the lock only if `acquire` fails."""
        try:
            return int(self.path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None

    def release(self) -> None:
        """Give it up here; a process that inherited it goes on holding it. The file stays: removing it races."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
