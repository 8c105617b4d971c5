"""How many cores this process may use. Knows Linux's affinity and cgroup limits, nothing of who asks."""

import math
import os
from pathlib import Path

_CPU_MAX = Path("/sys/fs/cgroup/cpu.max")


def available_cores(cpu_max: Path = _CPU_MAX) -> int:
    """The cores that the scheduler lets this process run on, and no more than its container's quota pays for."""
    cores = len(os.sched_getaffinity(0))
    return max(1, min(cores, _quota_cores(cpu_max) or cores))


def _quota_cores(cpu_max: Path) -> int | None:
    """`cpu.max` is "<quota> <period>" in microseconds, or "max <period>" for no limit."""
    try:
        quota, period = cpu_max.read_text(encoding="ascii").split()
        return math.ceil(int(quota) / int(period))
    except (OSError, ValueError):
        return None
