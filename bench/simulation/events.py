"""A discrete-event simulation of the queue: one accepting stage, a bounded queue, workers whose slots share a speed.

It knows rates and bounds, not where they come from (`fit.py`). Times are in seconds from the start. Work is in seconds
of a slot that has its worker to itself; a worker with n busy slots does `speed(n)` of it a second, shared evenly
(processor sharing, as continuous batching is). A seed gives the same run again.
"""

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec

_LONGEST_TOLD_S: Final = 60


class System(msgspec.Struct, frozen=True, kw_only=True):
    """What is simulated. `queue`: waiting and running together."""

    workers: int
    slots: int
    queue: int
    work: Callable[[random.Random], float]
    """Draws the work of a job, in seconds alone on a worker."""
    speed: Callable[[int], float]
    """Work a second that a worker does with this many busy slots."""
    accept_s: float = 0.0
    """Time that one job takes of what all share: the ingress and the stream."""
    latency_s: float = 0.0
    """What an answer takes beside waiting and running, and that holds nobody up."""


class Arrivals(msgspec.Struct, frozen=True, kw_only=True):
    """Questions: at random at a rate (open), or from clients that ask again at once (closed)."""

    for_s: float
    settled_s: float | None = None
    """From when on it is counted; None: after the first tenth, which fills the queue."""
    per_s: float = 0.0
    clients: int = 0
    come_back: bool = False
    """Whether who is refused obeys Retry-After; else nobody comes back."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen once it counted."""

    answered_per_s: float
    refused_share: float
    """Of all tries."""
    latencies_s: list[float]
    """Sorted; from the first try to the answer where clients come back."""
    queue_mean: float
    told_s: list[int]
    """Sorted: the Retry-After of each refusal."""

    def latency_s(self, share: float) -> float:
        """The latency that this share of the answers keeps; 0 without answers."""
        return quantile(self.latencies_s, share)

    def within(self, bound_s: float) -> float:
        """The share of answers within a bound."""
        return sum(latency <= bound_s for latency in self.latencies_s) / max(len(self.latencies_s), 1)


class _Worker:
    """Jobs that run now, by the work at which each ends; all get the same share of the speed."""

    def __init__(self) -> None:
        self.done = 0.0  # work per job since the start
        self.ends: list[tuple[float, float]] = []  # (work at which it ends, first try)
        self.at_s = 0.0
        self.version = 0


def simulate(system: System, arrivals: Arrivals, seed: int = 1) -> Outcome:
    """Run it once."""
    return _Run(system, arrivals, random.Random(seed)).outcome()


class _Run:
    def __init__(self, system: System, arrivals: Arrivals, draw: random.Random) -> None:
        self._system = system
        self._arrivals = arrivals
        self._draw = draw
        self._now_s = 0.0
        self._count = itertools.count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._workers = [_Worker() for _ in range(system.workers)]
        self._waiting: deque[float] = deque()
        self._inside = 0
        self._accepting_until_s = 0.0
        self._from_s = arrivals.for_s / 10 if arrivals.settled_s is None else arrivals.settled_s
        self._latencies: list[float] = []
        self._told: list[int] = []
        self._tries = 0
        self._promised: list[float] = []
        self._queue_area = 0.0
        self._ended_at: deque[float] = deque(maxlen=4 * system.slots * system.workers + 8)

    def outcome(self) -> Outcome:
        self._begin()
        while self._events and self._events[0][0] <= self._arrivals.for_s:
            at_s, _, event = heapq.heappop(self._events)
            self._queue_area += len(self._waiting) * (at_s - max(self._now_s, self._from_s)) * (at_s > self._from_s)
            self._now_s = at_s
            event()
        seen_s = self._arrivals.for_s - self._from_s
        return Outcome(
            answered_per_s=len(self._latencies) / seen_s,
            refused_share=len(self._told) / max(self._tries, 1),
            latencies_s=sorted(self._latencies),
            queue_mean=self._queue_area / seen_s,
            told_s=sorted(self._told),
        )

    def _begin(self) -> None:
        if self._arrivals.clients:
            for _ in range(self._arrivals.clients):
                self._at(0.0, lambda: self._ask(self._now_s))
        else:
            self._at(self._draw.expovariate(self._arrivals.per_s), self._arrive)

    def _at(self, at_s: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (at_s, next(self._count), event))

    def _arrive(self) -> None:
        self._ask(self._now_s)
        self._at(self._now_s + self._draw.expovariate(self._arrivals.per_s), self._arrive)

    def _ask(self, first_s: float) -> None:
        """One try: through what all share, one after the other, then into the queue or back."""
        self._accepting_until_s = max(self._accepting_until_s, self._now_s) + self._system.accept_s
        self._at(self._accepting_until_s, lambda: self._admit(first_s))

    def _admit(self, first_s: float) -> None:
        is_seen = self._now_s > self._from_s
        self._tries += is_seen
        if self._inside >= self._system.queue:
            self._refuse(first_s, is_seen=is_seen)
            return
        self._inside += 1
        self._waiting.append(first_s)
        self._start_waiting()

    def _refuse(self, first_s: float, *, is_seen: bool) -> None:
        told_s = self._retry_after_s()
        if is_seen:
            self._told.append(told_s)
        if self._arrivals.come_back or self._arrivals.clients:
            self._at(self._now_s + told_s, lambda: self._ask(first_s))

    def _retry_after_s(self) -> int:
        """The k-th client that is refused is told when the k-th place from now is free (ingress/jobs)."""
        while self._promised and self._promised[0] <= self._now_s:
            heapq.heappop(self._promised)
        pace = self._pace_per_s()
        told_s = min(max(math.ceil((len(self._promised) + 1) / pace), 1), _LONGEST_TOLD_S)
        heapq.heappush(self._promised, self._now_s + told_s)
        return told_s

    def _pace_per_s(self) -> float:
        if len(self._ended_at) < 2 or self._now_s <= self._ended_at[0]:
            return 1.0
        return (len(self._ended_at) - 1) / (self._now_s - self._ended_at[0])

    def _start_waiting(self) -> None:
        while self._waiting:
            worker = min(self._workers, key=lambda one: len(one.ends))
            if len(worker.ends) >= self._system.slots:
                return
            self._advance(worker)
            heapq.heappush(worker.ends, (worker.done + self._system.work(self._draw), self._waiting.popleft()))
            self._expect(worker)

    def _advance(self, worker: _Worker) -> None:
        if busy := len(worker.ends):
            worker.done += (self._now_s - worker.at_s) * self._system.speed(busy) / busy
        worker.at_s = self._now_s

    def _expect(self, worker: _Worker) -> None:
        """The next end on it, as long as nobody joins or leaves before."""
        worker.version += 1
        if busy := len(worker.ends):
            version = worker.version
            left = max(worker.ends[0][0] - worker.done, 0.0)
            self._at(self._now_s + left * busy / self._system.speed(busy), lambda: self._end(worker, version))

    def _end(self, worker: _Worker, version: int) -> None:
        if version != worker.version:
            return
        self._advance(worker)
        _, first_s = heapq.heappop(worker.ends)
        self._inside -= 1
        self._ended_at.append(self._now_s)
        if self._now_s >= self._from_s:
            self._latencies.append(self._now_s - first_s + self._system.latency_s)
        if self._arrivals.clients:
            self._at(self._now_s, lambda: self._ask(self._now_s))
        self._expect(worker)
        self._start_waiting()


def quantile(ordered: list[float], share: float) -> float:
    """Of a sorted list; 0 of an empty one."""
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0
