"""Denies this process all of the file system except the given paths (Linux 5.13 and newer, for every user).

The calls and numbers are those of the kernel's include/uapi/linux/landlock.h.
"""

import ctypes
import os
from collections.abc import Iterable
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on x86-64 and arm64
_VERSION = 1
_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_ALL_OF_VERSION_1 = (1 << 13) - 1
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_NETWORK = 0b11  # bind and connect over TCP
_SCOPED = 0b11  # abstract Unix sockets, and signals to others
_SOCKETS = 1 << 5 | 1 << 9  # remove what is no folder, make sockets
_READ_ONLY = _EXECUTE | _READ_FILE | _READ_DIR

_libc = ctypes.CDLL(None, use_errno=True)


class _RulesetAttr(ctypes.Structure):
    _fields_ = [("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _PathBeneathAttr(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = [("allowed", ctypes.c_uint64), ("parent_fd", ctypes.c_int32)]


def version() -> int:
    """The kernel's version of Landlock; 0: there is none, or it is not switched on."""
    return max(0, int(_libc.syscall(_CREATE_RULESET, None, 0, _VERSION)))


def restrict(
    readable: Iterable[Path] = (), writable: Iterable[Path] = (), for_sockets: Iterable[Path] = ()
) -> list[str]:
    """Forbid all files but those beneath the paths; returns what holds now. Needs no_new_privs.

    `for_sockets`: folders for Unix sockets, in which no file can be read, written or listed.
    """
    found = version()
    if not found:
        return []
    ruleset = _create(found)
    try:
        for path in readable:
            _allow(ruleset, path, _READ_ONLY)
        for path in writable:
            _allow(ruleset, path, _handled(found) & ~_IOCTL_DEV)
        for path in for_sockets:
            _allow(ruleset, path, _SOCKETS)
        restricted = _libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0
    finally:
        os.close(ruleset)
    return ["landlock"] if restricted else []


def _handled(found: int) -> int:
    later = (_REFER, 2), (_TRUNCATE, 3), (_IOCTL_DEV, 5)
    return _ALL_OF_VERSION_1 | sum(right for right, since in later if found >= since)


def _create(found: int) -> int:
    attr = _RulesetAttr(_handled(found), _NETWORK if found >= 4 else 0, _SCOPED if found >= 6 else 0)
    size = 24 if found >= 6 else 16 if found >= 4 else 8
    ruleset = int(_libc.syscall(_CREATE_RULESET, ctypes.byref(attr), size, 0))
    if ruleset < 0:
        raise OSError(ctypes.get_errno(), "Landlock refused a ruleset")
    return ruleset


def _allow(ruleset: int, path: Path, rights: int) -> None:
    """A path that is not there is passed over."""
    try:
        beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not path.is_dir():
            rights &= _EXECUTE | _READ_FILE | _WRITE_FILE | _TRUNCATE
        attr = _PathBeneathAttr(rights, beneath)
        _libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(attr), 0)
    finally:
        os.close(beneath)
