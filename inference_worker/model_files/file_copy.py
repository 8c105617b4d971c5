"""Copies a file at the least cost: as a reflink, a hard link, or a copy.

A reflink shares the blocks until one of the two is written to. A hard link is the same file under a second name: it
outlives a removal or a replacement, and nothing that is written into the file itself.
"""

import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

Method = Literal["reflink", "link", "copy"]

_FICLONE: Final = 0x40049409
_CAN_NOT_LINK: Final = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.EACCES)


def place(source: Path, target: Path, *, is_copied: bool = False) -> Method:
    """Make `target` from `source`, synced to disk and with the same time. Returns the method; raises OSError."""
    method = _placed(source, target, is_copied=is_copied)
    if method != "link":
        seen = source.stat()
        os.utime(target, ns=(seen.st_atime_ns, seen.st_mtime_ns))
        with target.open("rb") as file:
            os.fsync(file.fileno())
    return method


def _placed(source: Path, target: Path, *, is_copied: bool) -> Method:
    if not is_copied:
        if _reflinked(source, target):
            return "reflink"
        with _unless_impossible():
            os.link(source.resolve(), target)
            return "link"
    shutil.copyfile(source, target)
    return "copy"


def _reflinked(source: Path, target: Path) -> bool:
    with source.open("rb") as original, target.open("xb") as new, contextlib.suppress(OSError):
        fcntl.ioctl(new.fileno(), _FICLONE, original.fileno())
        return True
    target.unlink()
    return False


@contextlib.contextmanager
def _unless_impossible() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _CAN_NOT_LINK:
            raise
