"""A lock that ends with its process: flock on a file that contains the process id.

The file stays after the lock is released: removing it would let two processes lock two files of one name.
"""

import asyncio
import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
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

    def acquire(self, *, wait: bool = False, may_write: bool = True) -> None:
        """Take the lock; with `wait`, block until it is free. Without `may_write` its file stays as it is.

        Raises AlreadyRunningError when another process holds it, OSError when its file can't be written.
        """
        if may_write:
            make_folder(self.path.parent, 0o700)
        mode = os.O_RDWR | os.O_CREAT if may_write else os.O_RDONLY
        try:
            descriptor = os.open(self.path, mode | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            if may_write:
                raise
            return  # there is no file: nobody has ever held it
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise AlreadyRunningError from None
        self._descriptor = descriptor
        if not may_write:
            return
        try:
            self.name(os.getpid())
        except OSError:
            # On a full disk, an open descriptor would keep the lock from every process, this one included.
            self.release()
            raise

    async def acquire_within(self, patience_s: float) -> bool:
        """Retry for `patience_s` seconds; False when the lock was not released in time."""
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
        """The file descriptor to hand to a process that inherits the lock; raises ValueError while it is not held."""
        if self._descriptor is None:
            raise ValueError(f"{self.path} is not locked")
        return self._descriptor

    def name(self, pid: int) -> None:
        """Write the holder's process id into the file."""
        os.truncate(self.descriptor, 0)
        os.pwrite(self.descriptor, f"{pid}\n".encode(), 0)

    def holder(self) -> int | None:
        """The process that wrote its id last; it holds the lock only if `acquire` fails."""
        try:
            return int(self.path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None

    def release(self) -> None:
        """Release it in this process; a process that inherited it keeps holding it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


@contextlib.contextmanager
def locked(path: Path, refusal: str, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock on `path` for the time of a block.

    Without `wait`, raises AlreadyRunningError when another process holds it: with the sentence `refusal`, in which
    `{holder}` stands for that process's id. Raises OSError when the file can't be written.
    """
    lock = FileLock(path)
    try:
        lock.acquire(wait=wait)
    except AlreadyRunningError:
        raise AlreadyRunningError(refusal.replace("{holder}", str(lock.holder() or "unknown"))) from None
    try:
        yield
    finally:
        lock.release()
