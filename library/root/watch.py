"""Wakes when something below the root changes, where the system says so (inotify); elsewhere time alone does.

An event only says that it is worth to look: what changed is found by looking.
"""

import ctypes
import os
import select
import threading
from pathlib import Path
from typing import Final

_CLOEXEC_NONBLOCK: Final = os.O_CLOEXEC | os.O_NONBLOCK
_MASK: Final = 0x2 | 0x4 | 0x8 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x800 | 0x01000000
"""IN_MODIFY, ATTRIB, CLOSE_WRITE, MOVED_FROM, MOVED_TO, CREATE, DELETE, DELETE_SELF, MOVE_SELF and ONLYDIR."""


class Watch:
    """Folders that are watched; `wait` returns when something happened in one of them."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._inotify = self._libc.inotify_init1(_CLOEXEC_NONBLOCK)
        self._wake_read, self._wake_write = os.pipe2(_CLOEXEC_NONBLOCK)
        self._lock = threading.Lock()
        self.is_complete = self._inotify >= 0
        """False: not every folder could be watched."""

    def add(self, folder: Path) -> None:
        """Watch a folder; once more does no harm."""
        if self._inotify >= 0 and self._libc.inotify_add_watch(self._inotify, os.fsencode(folder), _MASK) < 0:
            self.is_complete = False

    def wait(self, seconds: float) -> bool:
        """Until something happened, `wake` was called, or the time is over (False)."""
        watched = [self._wake_read, *([self._inotify] if self._inotify >= 0 else [])]
        ready, _, _ = select.select(watched, [], [], seconds)
        for descriptor in ready:
            self._drain(descriptor)
        return bool(ready)

    def wake(self) -> None:
        """End a `wait`, from any thread."""
        with self._lock:
            if self._wake_write >= 0:
                os.write(self._wake_write, b"x")

    def close(self) -> None:
        with self._lock:
            for descriptor in (self._wake_read, self._wake_write, self._inotify):
                if descriptor >= 0:
                    os.close(descriptor)
            self._wake_write = -1

    @staticmethod
    def _drain(descriptor: int) -> None:
        try:
            while os.read(descriptor, 65_536):
                pass
        except BlockingIOError:
            pass
