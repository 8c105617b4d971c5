"""The memory of a library with that of its readers, sampled."""

import asyncio
import contextlib
import statistics
from collections.abc import Callable, Mapping
from typing import Any, Final

import psutil

_SAMPLES_EVERY_S: Final = 0.2

Pids = Callable[[], Mapping[str, int]]


class Memory:
    """The library's memory with that of its readers, sampled."""

    def __init__(self, pids: Pids) -> None:
        self._pids = pids

    def now_mib(self) -> float:
        with contextlib.suppress(psutil.Error, KeyError):
            process = psutil.Process(self._pids()["library"])
            family = [process, *process.children(recursive=True)]
            return sum(_uss(one) for one in family) / 2**20
        return 0.0

    async def sampled(self, task: "asyncio.Task[Any]") -> dict[str, float]:
        """The median and the most while a task runs; 0 samples, where a process was just started, do not count."""
        samples = [0.0]
        while not task.done():
            samples.append(await asyncio.to_thread(self.now_mib))
            await asyncio.sleep(_SAMPLES_EVERY_S)
        seen = [one for one in samples if one] or samples
        return {"median_mib": statistics.median(seen), "most_mib": max(seen)}


def _uss(process: psutil.Process) -> int:
    """What is its own alone: what processes share counts once, and not here."""
    with contextlib.suppress(psutil.Error):
        return int(process.memory_full_info().uss)
    return 0
