"""Samples the system during a run: the queue's depth over HTTP, memory and file descriptors of every process."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Final

import msgspec
import psutil

from bench.harness.clock import Clock
from bench.harness.http_client import Connections, get
from bench.harness.query import Query

QUEUE_EVERY_S: Final = 0.1
PROCESSES_EVERY_S: Final = 1.0
_TIMEOUT_S: Final = 2.0


class Depth(msgspec.Struct, frozen=True, array_like=True):
    """The queue at a moment: all jobs that its limit counts, the running ones among them, and the limit."""

    at_s: float
    depth: int
    running: int
    capacity: int


class Footprint(msgspec.Struct, frozen=True, array_like=True):
    """A process at a moment."""

    at_s: float
    part: str
    pid: int
    rss_mib: float
    descriptors: int


class Sampler:
    """Collects samples until its block ends; a moment without a response leaves a gap."""

    def __init__(self, clock: Clock, address: str, token: str | None, pids: Callable[[], dict[str, int]]) -> None:
        self.depths: list[Depth] = []
        self.footprints: list[Footprint] = []
        self._clock = clock
        self._connections = Connections(address)
        self._request = get("/health", {"Authorization": f"Bearer {token}"} if token else {})
        self._pids = pids

    @contextlib.asynccontextmanager
    async def sampling(self) -> AsyncIterator["Sampler"]:
        """Sample for the time of a block."""
        tasks = [asyncio.create_task(self._sample_queue()), asyncio.create_task(self._sample_processes())]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._connections.close()

    async def probe(self) -> Depth | None:
        """The queue now; None without a response."""
        try:
            response = await self._connections.exchange(self._request, _TIMEOUT_S)
        except (OSError, EOFError, ValueError, TimeoutError):
            return None
        if response.status != 200:
            return None
        health = msgspec.json.decode(response.body)
        depth, running, capacity = (health[name] for name in ("queue_depth", "running", "queue_capacity"))
        return Depth(round(self._clock.now_s(), 3), depth, running, capacity)

    async def _sample_queue(self) -> None:
        while True:
            if depth := await self.probe():
                self.depths.append(depth)
            await asyncio.sleep(QUEUE_EVERY_S)

    async def _sample_processes(self) -> None:
        while True:
            at_s = round(self._clock.now_s(), 3)
            for part, pid in self._pids().items():
                with contextlib.suppress(psutil.Error):
                    process = psutil.Process(pid)
                    rss_mib = round(process.memory_info().rss / 2**20, 2)
                    self.footprints.append(Footprint(at_s, part, pid, rss_mib, process.num_fds()))
            await asyncio.sleep(PROCESSES_EVERY_S)


STEPS: Final = 300
MAX_POINTS: Final = 2000


def of(queries: list[Query], sampler: Sampler) -> dict[str, Any]:
    """Counts per step of `step_s` seconds, the queue's depth, latencies and memory as points."""
    last_s = max([query.ended_s for query in queries] + [seen.at_s for seen in sampler.depths], default=0.0)
    step_s = _step_s(last_s)
    return {
        "step_s": step_s,
        "arrivals": _counts((query.planned_s for query in queries), step_s, last_s),
        "accepted": _counts((query.accepted_s for query in queries if query.accepted_s is not None), step_s, last_s),
        "refused": _counts((seen.at_s for query in queries for seen in query.refusals), step_s, last_s),
        "answered": _counts((query.ended_s for query in queries if query.status == 200), step_s, last_s),
        "queue": [list(point) for point in _thinned(_points(sampler.depths))],
        "latencies": _thinned(
            [[round(query.planned_s, 3), round(query.latency_s, 4)] for query in queries if query.status == 200]
        ),
        "memory": _memory(sampler),
    }


def _step_s(last_s: float) -> float:
    """A round number of seconds that gives at most 300 steps."""
    wanted_s = last_s / STEPS
    return next((step_s for step_s in (0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60) if step_s >= wanted_s), 300.0)


def _counts(moments: Iterable[float], step_s: float, last_s: float) -> list[int]:
    counts = [0] * (math.floor(last_s / step_s) + 1)
    for moment_s in moments:
        counts[min(int(moment_s / step_s), len(counts) - 1)] += 1
    return counts


def _points(depths: list[Depth]) -> list[list[float]]:
    return [[seen.at_s, seen.depth, seen.running, seen.capacity] for seen in depths]


def _memory(sampler: Sampler) -> dict[str, list[list[float]]]:
    """Per part: moment, MiB, descriptors."""
    parts: dict[str, list[list[float]]] = {}
    for seen in sampler.footprints:
        parts.setdefault(seen.part, []).append([seen.at_s, seen.rss_mib, seen.descriptors])
    return {part: _thinned(points) for part, points in parts.items()}


def _thinned(points: list[list[float]]) -> list[list[float]]:
    """Every nth point, so that the file of a long run stays small."""
    return points[:: max(math.ceil(len(points) / MAX_POINTS), 1)]
