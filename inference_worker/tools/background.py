"""Ties a tool's process to the one that started it, and lowers its priority below all others."""

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_LOWEST: Final = 19
_FIRST_TO_END: Final = b"1000"


def end_with(parent_pid: int) -> None:
    """Have the kernel end this process when its parent ends, even by kill -9; 0: no parent."""
    if parent_pid and sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent_pid:
            sys.exit(1)


def yield_to_others() -> None:
    """Run only on idle processor time, and be killed first when memory runs out; as far as the system allows."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, _LOWEST)
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_bytes(_FIRST_TO_END)
