"""How many bytes this process may still take: the machine's free memory, and no more than its container is given."""

from pathlib import Path

import psutil

_CGROUP = Path("/sys/fs/cgroup")
_FILES = (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"))
"""The limit and what is used of it, as cgroup v2 and v1 name them."""


def free_bytes(cgroup: Path = _CGROUP) -> int:
    """Memory that can be taken without swapping and without being killed for it."""
    available: int = psutil.virtual_memory().available
    return min([available, *_left(cgroup)])


def _left(cgroup: Path) -> list[int]:
    for limit, used in _FILES:
        try:
            return [max(0, int((cgroup / limit).read_text("ascii")) - int((cgroup / used).read_text("ascii")))]
        except (OSError, ValueError):
            # Not this version of cgroups, or "max": no limit.
            continue
    return []
