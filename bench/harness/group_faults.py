"""A control group that leaves a worker no memory: the kernel ends it, as in a container that is too small.

Both versions of control groups. The group is made below this process's own, and is gone again afterwards.
"""

import asyncio
import contextlib
import secrets
from pathlib import Path
from typing import Final

from bench.harness.faults import Fault, living
from bench.harness.run import Run
from bench.targets.stack import Stack

CGROUPS: Final = Path("/sys/fs/cgroup")
_LIMIT_BYTES: Final = 2**20
"""Whatever the process takes from then on is too much; what it has already is not moved to the group."""
_TIGHT_FOR_S: Final = 3.0
_POLL_EVERY_S: Final = 0.05
_GONE_WITHIN_S: Final = 5.0


def why_no_group() -> str | None:
    """Why no group with a limit of memory can be made here, or None."""
    parent = _parent()
    if parent is None:
        return "no group's memory limit: there is no control group of memory here"
    try:
        group = _made(parent)
    except OSError as error:
        return f"no group's memory limit: {parent} can't be changed ({error.strerror})"
    group.rmdir()
    return None


def memory_limit() -> Fault:
    """A worker in a group that leaves it no memory for 3 s, or until the kernel has ended it."""

    async def strike(run: Run, stack: Stack) -> None:
        pid = await living(stack, "worker")
        parent = _parent()
        if parent is None:
            return
        group = _made(parent)
        run.mark("memory limit of worker")
        try:
            _enter(group, pid)
            async with asyncio.timeout(_TIGHT_FOR_S):
                while str(pid) in (group / "cgroup.procs").read_text().split():
                    await asyncio.sleep(_POLL_EVERY_S)
        except (TimeoutError, ProcessLookupError):
            pass
        finally:
            await _removed(group, parent)

    return Fault("memory limit of worker", strike)


def _parent() -> Path | None:
    """The folder of this process's own group, where groups of memory are made."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            root = CGROUPS / "memory" if controllers == "memory" else CGROUPS
            if controllers in ("memory", "") and (found := _existing(root, path)):
                return found
    return None


def _existing(root: Path, path: str) -> Path | None:
    """The group, or the outermost one that is seen where a namespace hides it; None without a limit of memory."""
    for group in (root / path.strip("/"), root):
        if (group / "memory.limit_in_bytes").exists():
            return group
        controllers = group / "cgroup.subtree_control"
        if controllers.exists() and "memory" in controllers.read_text().split():
            return group
    return None


def _made(parent: Path) -> Path:
    group = parent / f"docqa-bench-{secrets.token_hex(4)}"
    group.mkdir()
    return group


def _enter(group: Path, pid: int) -> None:
    (group / "cgroup.procs").write_text(str(pid))
    limit = group / "memory.max"
    (limit if limit.exists() else group / "memory.limit_in_bytes").write_text(str(_LIMIT_BYTES))


async def _removed(group: Path, parent: Path) -> None:
    """Move surviving processes back; a group stays busy for a moment after its last process left."""
    for pid in (group / "cgroup.procs").read_text().split():
        with contextlib.suppress(OSError):
            (parent / "cgroup.procs").write_text(pid)
    async with asyncio.timeout(_GONE_WITHIN_S):
        while group.exists():
            with contextlib.suppress(OSError):
                group.rmdir()
                return
            await asyncio.sleep(_POLL_EVERY_S)
