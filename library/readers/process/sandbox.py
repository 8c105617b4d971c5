"""Confines this process irrevocably: no network, no files, no secrets, even if a file takes over the code in it.

Each barrier works by itself, and is set if the kernel and the user's rights permit it; `enter` returns those that hold.
An ordinary user gets all of them; in a container that forbids namespaces, seccomp and Landlock still work.
Leaves limits of memory and time to limits.py.
"""

import ctypes
import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from library.readers.limits import forbid_new_files
from library.readers.process import landlock, seccomp

# What programs of the system are made of; no user's data is there.
PROGRAMS = tuple(map(Path, ("/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/fonts")))

TMP = Path("/tmp")  # noqa: S108 (the process gets one of its own)
_NOBODY = 65534
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_CLONE_NEWIPC = 0x08000000
_CLONE_NEWNS = 0x00020000
_MS_BIND, _MS_REC, _MS_PRIVATE = 1 << 12, 1 << 14, 1 << 18

libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int) -> None:
    """Let the kernel kill this process when `parent` ends; at once where it has already ended."""
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def enter(parent: int) -> list[str]:
    """Shut a reader in: from here on it computes, reads what it holds and writes to its pipes, and nothing else."""
    held = _enter_empty_network() + _become_nobody(parent)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    held += landlock.restrict()
    forbid_new_files()
    held.append("no-new-files")
    return held + seccomp.allow_computing()


def enter_for_program(parent: int, readable: Iterable[Path]) -> list[str]:
    """Shut in a process that is about to run a program of the system, which sees `readable` and nothing else."""
    return _enter_empty_network() + _shut_in_program(parent, readable)


def enter_with_folder(parent: int, readable: Iterable[Path], folder: Path) -> Path:
    """The same for a program that also may change `folder`; returns its path as the program sees it.

    Some programs put sockets into /tmp whatever their options say. Where mounts are permitted the folder is the
    program's /tmp; else, as in the library's unit, it may make sockets in the /tmp that is there, and do nothing else
    in it. Raises OSError where the kernel permits neither.
    """
    with suppress(OSError):  # an ordinary user stays who they are
        os.chown(folder, _NOBODY, _NOBODY)
    if _enter_empty_network(with_mounts=True) and _become_tmp(folder):
        _shut_in_program(parent, readable, (TMP,))
        return TMP
    _enter_empty_network()
    if "landlock" not in _shut_in_program(parent, readable, (folder,), (TMP,)):
        raise OSError("neither mounts nor Landlock are permitted: a program can't be kept in its folder")
    return folder


def _shut_in_program(
    parent: int, readable: Iterable[Path], writable: Iterable[Path] = (), for_sockets: Iterable[Path] = ()
) -> list[str]:
    held = _become_nobody(parent)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    held += landlock.restrict(readable, writable, for_sockets)
    return held + seccomp.forbid_network()


def _become_tmp(folder: Path) -> bool:
    private = libc.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None) == 0
    return private and bool(libc.mount(os.fsencode(folder), os.fsencode(TMP), None, _MS_BIND, None) == 0)


def _enter_empty_network(*, with_mounts: bool = False) -> list[str]:
    """A network without interfaces; an ordinary user gets it inside a user namespace of their own."""
    wanted = _CLONE_NEWNET | _CLONE_NEWIPC | (_CLONE_NEWNS if with_mounts else 0)
    held = libc.unshare(wanted) == 0 or libc.unshare(wanted | _CLONE_NEWUSER) == 0
    return ["empty-network"] if held else []


def _become_nobody(parent: int) -> list[str]:
    """Root gives its rights up; capabilities go with the user id."""
    held = []
    if os.geteuid() == 0:
        with suppress(OSError):
            os.setgroups([])
            os.setresgid(_NOBODY, _NOBODY, _NOBODY)
            os.setresuid(_NOBODY, _NOBODY, _NOBODY)
            held.append("nobody")
    die_with_parent(parent)  # a change of user takes the signal back
    return held
