"""Ties a process to the one that started it, then becomes the program: `tether.py PARENT_PID PROGRAM ARG...`.

Run as a script without site packages (`python -I -S`), since it stands before every start. The kernel
sends SIGTERM when the parent is gone, even by kill -9, so that no program is left behind.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    parent, program = int(arguments[0]), arguments[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    # The parent may have died before the kernel was told: then nobody would ever send that signal.
    if os.getppid() != parent:
        sys.exit(0)
    os.execv(program[0], program)  # noqa: S606  # becomes the program on purpose: the process id stays


if __name__ == "__main__":
    main(sys.argv[1:])
