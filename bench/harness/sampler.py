"""Looks at the system while it works: the queue's depth over HTTP, memory and descriptors of every process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Final

import msgspec
import psutil

from bench.harness.clock import Clock
from bench.harness.http_client import Connections, get

QUEUE_EVERY_S: Final = 0.1
PROCESSES_EVERY_S: Final = 1.0
_TIMEOUT_S: Final = 2.0


class Depth(msgspec.Struct, frozen=True, array_like=True):
    """The queue at a moment: all that its bound counts, those of them that run, and the bound."""

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


class Watcher:
    """Collects samples until its block ends. A moment without an answer leaves a gap."""

    def __init__(self, clock: Clock, address: str, token: str | None, pids: Callable[[], dict[str, int]]) -> None:
        self.depths: list[Depth] = []
        self.footprints: list[Footprint] = []
        self._clock = clock
        self._connections = Connections(address)
        self._request = get("/health", {"Authorization": f"Bearer {token}"} if token else {})
        self._pids = pids

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator["Watcher"]:
        """Sample for the time of a block."""
        tasks = [asyncio.create_task(self._watch_queue()), asyncio.create_task(self._watch_processes())]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._connections.close()

    async def look(self) -> Depth | None:
        """The queue now, None when nobody says."""
        try:
            response = await self._connections.exchange(self._request, _TIMEOUT_S)
        except (OSError, EOFError, ValueError, TimeoutError):
            return None
        if response.status != 200:
            return None
        health = msgspec.json.decode(response.body)
        depth, running, capacity = (health[name] for name in ("queue_depth", "running", "queue_capacity"))
        return Depth(round(self._clock.now_s(), 3), depth, running, capacity)

    async def _watch_queue(self) -> None:
        while True:
            if depth := await self.look():
                self.depths.append(depth)
            await asyncio.sleep(QUEUE_EVERY_S)

    async def _watch_processes(self) -> None:
        while True:
            at_s = round(self._clock.now_s(), 3)
            for part, pid in self._pids().items():
                with contextlib.suppress(psutil.Error):
                    process = psutil.Process(pid)
                    rss_mib = round(process.memory_info().rss / 2**20, 2)
                    self.footprints.append(Footprint(at_s, part, pid, rss_mib, process.num_fds()))
            await asyncio.sleep(PROCESSES_EVERY_S)
