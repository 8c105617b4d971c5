"""Makes the kernel end a process with its parent, then runs the program: `parent_death.py PARENT_PID PROGRAM ARG...`.

Run as a script without site packages (`python -I -S`), because it precedes every start. The kernel sends SIGTERM when
the parent ends, even by kill -9, so that no program is left running.
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
    # If the parent ended before the call above, the signal will never come.
    if os.getppid() != parent:
        sys.exit(0)
    os.execv(program[0], program)  # noqa: S606  # replaces this process on purpose: the process id stays


if __name__ == "__main__":
    main(sys.argv[1:])
