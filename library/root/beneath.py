"""Opens and lists files beneath a folder, whatever is renamed or linked meanwhile. Knows no document.

Each folder is opened relative to the one above it and no link is followed, so that a path never leads out
(https://man7.org/linux/man-pages/man2/openat2.2.html says what a `realpath` before an `open` leaves open).
"""

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from contract.documents import MAX_NAME_CHARS
from library.store.records import Stat

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
MAX_DEPTH: Final = 100
"""Folders within folders."""

_KINDS: Final[tuple[tuple[Callable[[int], bool], str], ...]] = (
    (stat.S_ISLNK, "a link: links are not followed"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class Seen(NamedTuple):
    """One entry: a regular file, or why it is left alone."""

    path: str
    """Relative to the root, with `/`."""
    stat: Stat | None
    odd: str = ""
    is_folder: bool = False
    """True where a folder can't be looked into: what is below it is unknown, and not gone."""


def walk(root: Path, on_folder: Callable[[str], None] = lambda _: None) -> Iterator[Seen]:
    """All entries beneath a folder; names that begin with a dot are passed over. Raises OSError for the root itself.

    `on_folder`: called with each folder's path as it is entered; the root is empty.
    """
    with contextlib.ExitStack() as held:
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        held.callback(os.close, descriptor)
        yield from _walk(descriptor, "", 0, on_folder)


def _walk(folder: int, prefix: str, depth: int, on_folder: Callable[[str], None]) -> Iterator[Seen]:
    on_folder(prefix)
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    for name in names:
        path = f"{prefix}/{name}" if prefix else name
        try:
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except OSError:
            # Gone since it was listed.
            continue
        if stat.S_ISDIR(status.st_mode):
            yield from _walk_below(folder, name, path, depth + 1, on_folder)
        else:
            yield _seen(path, status)


def _walk_below(folder: int, name: str, path: str, depth: int, on_folder: Callable[[str], None]) -> Iterator[Seen]:
    if depth > MAX_DEPTH:
        yield Seen(path, None, f"more than {MAX_DEPTH} folders within each other", is_folder=True)
        return
    try:
        descriptor = os.open(name, _FOLDER, dir_fd=folder)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            yield Seen(path, None, f"a folder that can't be read: {os.strerror(error.errno or 0)}", is_folder=True)
        return
    try:
        yield from _walk(descriptor, path, depth, on_folder)
    except OSError as error:
        yield Seen(path, None, f"a folder that can't be read: {os.strerror(error.errno or 0)}", is_folder=True)
    finally:
        os.close(descriptor)


def _seen(path: str, status: os.stat_result) -> Seen:
    if not stat.S_ISREG(status.st_mode):
        kind = next((kind for is_one, kind in _KINDS if is_one(status.st_mode)), "no regular file")
        return Seen(path, None, kind)
    if problem := _problem_with(path):
        return Seen(path, None, problem)
    return Seen(path, stat_of(status))


def stat_of(status: os.stat_result) -> Stat:
    """What is kept of a file's status."""
    return Stat(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _problem_with(path: str) -> str:
    try:
        path.encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    if not path.isprintable():
        return "its name holds control characters"
    return "" if len(path) <= MAX_NAME_CHARS else f"its path has more than {MAX_NAME_CHARS} characters"


def shown(path: str) -> str:
    """A path as it can be printed and sent: what is no UTF-8 or steers a terminal is escaped."""
    whole = path.encode("utf-8", "backslashreplace").decode()
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in whole)


def open_file(root: Path, path: str) -> tuple[int, Stat]:
    """A descriptor of a regular file beneath the root; raises OSError for all else, without waiting for a pipe."""
    *folders, name = path.split("/")
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for folder in folders:
            below = os.open(_checked(folder), _FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        opened = os.open(_checked(name), _FILE, dir_fd=descriptor)
    finally:
        os.close(descriptor)
    status = os.fstat(opened)
    if not stat.S_ISREG(status.st_mode):
        os.close(opened)
        raise OSError(errno.EINVAL, "no regular file", path)
    return opened, stat_of(status)


def _checked(name: str) -> str:
    if name in ("", ".", ".."):
        raise OSError(errno.EINVAL, "no path beneath the root", name)
    return name
