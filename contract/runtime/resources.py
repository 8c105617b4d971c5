"""What this process may use of its machine: memory and cores, within the limits of its control groups.

Both versions of cgroups are read, for the process's own group and all above it, since the tightest of them counts.
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil

CGROUPS: Final = Path("/sys/fs/cgroup")
_MEMBERSHIP: Final = Path("/proc/self/cgroup")
_NO_LIMIT_BYTES: Final = 2**60
"""Version 1 of cgroups writes "none" as a number near 2^63."""


def memory_limit_bytes(cgroups: Path = CGROUPS, membership: Path = _MEMBERSHIP) -> int:
    """The tightest memory limit of the process's control groups, or all of the machine's memory."""
    limits = [limit for limit, _ in _memory(cgroups, membership)]
    return min([*limits, psutil.virtual_memory().total])


def free_bytes(cgroups: Path = CGROUPS, membership: Path = _MEMBERSHIP) -> int:
    """Memory that can be taken without swapping and without being killed for it."""
    available: int = psutil.virtual_memory().available
    return min([available, *(max(0, limit - used) for limit, used in _memory(cgroups, membership))])


def available_cores(cgroups: Path = CGROUPS, membership: Path = _MEMBERSHIP) -> int:
    """The cores that the scheduler lets this process run on, and no more than its groups' CPU quotas pay for."""
    cores = len(os.sched_getaffinity(0))
    return max(1, min([cores, *_quotas(cgroups, membership)]))


def _memory(cgroups: Path, membership: Path) -> Iterator[tuple[int, int]]:
    """Limit and use in bytes of each group that has a limit."""
    for group, is_v1 in _groups(cgroups, membership, "memory"):
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if is_v1 else ("memory.max", "memory.current")
        limit, used = (_number(group / name) for name in names)
        if limit is not None and limit < _NO_LIMIT_BYTES:
            yield limit, used or 0


def _quotas(cgroups: Path, membership: Path) -> Iterator[int]:
    """Whole cores, rounded up, of each group that has a quota."""
    for group, is_v1 in _groups(cgroups, membership, "cpu"):
        if is_v1:
            quota, period = _number(group / "cpu.cfs_quota_us"), _number(group / "cpu.cfs_period_us")
        else:
            # "<quota> <period>" in microseconds, or "max <period>".
            quota, period = (*map(_whole, _read(group / "cpu.max").split()), None, None)[:2]
        if quota and period and quota > 0:
            yield math.ceil(quota / period)


def _groups(cgroups: Path, membership: Path, controller: str) -> Iterator[tuple[Path, bool]]:
    """The folders of the process's own group and of all above it, and whether they are of version 1."""
    for line in _read(membership).splitlines() or ["0::/"]:
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controllers and controller not in controllers.split(","):
            continue
        root = cgroups / controllers if (cgroups / controllers).is_dir() else cgroups / controller
        root = root if controllers else cgroups
        own = root / path.lstrip("/")
        yield from ((folder, bool(controllers)) for folder in (own, *own.parents) if folder.is_relative_to(root))


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""


def _number(file: Path) -> int | None:
    return _whole(_read(file))


def _whole(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None
