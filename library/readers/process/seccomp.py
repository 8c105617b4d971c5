"""Filters of system calls, as the kernel's classic BPF programs (seccomp mode 2; every user may set them).

A reader is left what computing takes; all else is refused with EPERM. A program of the system is only kept off the
network. On a processor other than x86-64 and arm64 no filter is set.
"""

import ctypes
import platform
import struct

_PR_SET_SECCOMP = 22
_MODE_FILTER = 2
_ALLOW = 0x7FFF0000
_KILL = 0x80000000
_EPERM = 0x00050001
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_AT_NUMBER, _AT_ARCH, _AT_FIRST_ARGUMENT = 0, 4, 16
_X32 = 0x40000000
_AF_UNIX = 1

# name: number on x86-64, number on arm64; None: not there
_COMPUTING: dict[str, tuple[int | None, int | None]] = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "fstat": (5, 80),
    "poll": (7, None),
    "ppoll": (271, 73),
    "lseek": (8, 62),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "pread64": (17, 67),
    "readv": (19, 65),
    "writev": (20, 66),
    "sched_yield": (24, 124),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "nanosleep": (35, 101),
    "clock_nanosleep": (230, 115),
    "getpid": (39, 172),
    "getppid": (110, 173),
    "gettid": (186, 178),
    "exit": (60, 93),
    "exit_group": (231, 94),
    "uname": (63, 160),
    "getrlimit": (97, 163),
    "getrusage": (98, 165),
    "sysinfo": (99, 179),
    "times": (100, 153),
    "getuid": (102, 174),
    "getgid": (104, 176),
    "geteuid": (107, 175),
    "getegid": (108, 177),
    "sigaltstack": (131, 132),
    "futex": (202, 98),
    "sched_getaffinity": (204, 123),
    "restart_syscall": (219, 128),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "gettimeofday": (96, 169),
    "tgkill": (234, 131),
    "getcpu": (309, 168),
    "getrandom": (318, 278),
    "membarrier": (324, 283),
    "rseq": (334, 293),
}
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_IO_URING = (425, 425)  # its operations pass by every filter
_SOCKET = (41, 198)

_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def allow_computing() -> list[str]:
    """Refuse every system call but those of computing, with EPERM; returns what holds now. Needs no_new_privs."""
    known = _ARCHITECTURES.get(platform.machine())
    if known is None:
        return []
    column, _ = known
    numbers = [pair[column] for pair in _COMPUTING.values() if pair[column] is not None]
    count = len(numbers)
    body = [_step(_JUMP_EQUAL, number, count - index, 0) for index, number in enumerate(numbers) if number is not None]
    return _load([*_prologue(known[1]), *body, _step(_RETURN, _EPERM), _step(_RETURN, _ALLOW)])


def forbid_network() -> list[str]:
    """Refuse sockets other than Unix ones, and io_uring; returns what holds now. Needs no_new_privs."""
    known = _ARCHITECTURES.get(platform.machine())
    if known is None:
        return []
    column, architecture = known
    body = [
        _step(_JUMP_EQUAL, _IO_URING[column], 3, 0),
        _step(_JUMP_EQUAL, _SOCKET[column], 0, 3),
        _step(_LOAD, _AT_FIRST_ARGUMENT),
        _step(_JUMP_EQUAL, _AF_UNIX, 1, 0),
        _step(_RETURN, _EPERM),
        _step(_RETURN, _ALLOW),
    ]
    return _load([*_prologue(architecture), *body])


def _prologue(architecture: int) -> list[bytes]:
    """Calls by another processor's numbers, x32 included, end the process: they would pass by the list."""
    return [
        _step(_LOAD, _AT_ARCH),
        _step(_JUMP_EQUAL, architecture, 1, 0),
        _step(_RETURN, _KILL),
        _step(_LOAD, _AT_NUMBER),
        _step(_JUMP_AT_LEAST, _X32, 0, 1),
        _step(_RETURN, _KILL),
    ]


def _step(code: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, operand)


def _load(steps: list[bytes]) -> list[str]:
    code = ctypes.create_string_buffer(b"".join(steps))
    program = _Program(len(steps), ctypes.cast(code, ctypes.c_void_p))
    loaded = _libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0) == 0
    return ["seccomp"] if loaded else []
