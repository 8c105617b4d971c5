"""A bounded queue and its clients, simulated without a clock: what obeying the told times costs against hammering.

The pace and the told times are the product's own; arrivals, durations and jitter are drawn from a seed.
"""

import heapq
import math
import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import count
from typing import Any, Final

import msgspec

from inference_worker.jobs.heartbeat import PACE_CHANGE, PERIOD_S
from inference_worker.jobs.pace import Pace
from ingress.jobs.promises import Promises

HAMMERS_EVERY_S: Final = 0.1
JITTER: Final = 0.25
"""The part of a told time that a client adds, at most."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """Clients with one job each. `speed(c)`: how many jobs are done in a job's time while `c` run."""

    arrivals_s: list[float]
    jobs_s: list[float]
    slots: int = 8
    capacity: int = 10
    never_back: float = 0.0
    speed: Callable[[int], float] = float


class Figures(msgspec.Struct, frozen=True):
    """What a run came to; errors are medians over first refusals."""

    total_s: float
    vain_tries: float
    idle: float
    """Part of the slots' time, while somebody waited outside as told."""
    error_s: float
    error: float
    """Relative to the true time."""
    told_s: float
    """Mean of the first told times."""


class Simulation:
    """One run of a load, with clients that obey or hammer."""

    def __init__(self, load: Load, seed: int, *, expected: float, obey: bool, hammering: int = 0) -> None:
        """`hammering`: so many further clients hammer all the time, with jobs that never count."""
        self._load = load
        self._obey = obey
        self._random = random.Random(seed)
        self._hammering = hammering
        self.now_s = 0.0
        self.pace = Pace(load.slots, expected, lambda: self.now_s)
        self.promises = Promises()
        self._announced = self.pace.jobs_per_s
        self._order = count()
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._left_s: dict[int, float] = {}
        self._waiting: list[int] = []
        self._jobs: dict[int, AbstractContextManager[None]] = {}
        self._outside: set[int] = set()
        self._refused: dict[int, int] = {}
        self._told: list[tuple[float, int, int]] = []
        self._ends_s: list[float] = []
        self._unfinished = len(load.arrivals_s)
        self._idle_s = self._outside_s = 0.0

    def run(self) -> Figures:
        """Until all have their answer, or will never come back."""
        for number, arrival_s in enumerate(self._load.arrivals_s):
            self._at(arrival_s, self._try, number)
        self._at(self._random.random(), self._announce, self._random.randrange(PERIOD_S))
        for number in range(self._hammering):
            self._at(0.0, self._hammer, -1 - number)
        while self._unfinished > 0:
            next_s = self._events[0][0] if self._events else math.inf
            first = min(self._left_s, key=self._left_s.__getitem__) if self._left_s else None
            if first is not None and (end_s := self.now_s + max(self._left_s[first], 0.0) / self._speed()) <= next_s:
                self._advance(end_s)
                self._finish(first)
            else:
                at_s, _, do, arguments = heapq.heappop(self._events)
                self._advance(at_s)
                do(*arguments)
        return self._figures()

    def _at(self, at_s: float, do: Callable[..., None], *arguments: object) -> None:
        heapq.heappush(self._events, (at_s, next(self._order), do, arguments))

    def _speed(self) -> float:
        return self._load.speed(len(self._left_s)) / len(self._left_s)

    def _advance(self, to_s: float) -> None:
        passed_s = to_s - self.now_s
        for number in self._left_s:
            self._left_s[number] -= passed_s * self._speed()
        if self._outside:
            self._outside_s += passed_s
            self._idle_s += passed_s * (1 - len(self._left_s) / self._load.slots)
        self.now_s = to_s

    def _announce(self, second: int) -> None:
        pace = self.pace.jobs_per_s
        if second % PERIOD_S == 0 or abs(pace - self._announced) > PACE_CHANGE * self._announced:
            self._announced = pace
        self._at(self.now_s + 1, self._announce, second + 1)

    def _finish(self, number: int) -> None:
        self._jobs.pop(number).__exit__(None, None, None)
        del self._left_s[number]
        self._ends_s.append(self.now_s)
        self._unfinished -= number >= 0
        self._start()

    def _start(self) -> None:
        while self._waiting and len(self._left_s) < self._load.slots:
            number = self._waiting.pop(0)
            self._jobs[number] = self.pace.job()
            self._jobs[number].__enter__()
            self._left_s[number] = self._load.jobs_s[number]

    @property
    def _is_full(self) -> bool:
        return len(self._left_s) + len(self._waiting) >= self._load.capacity

    def _try(self, number: int) -> None:
        if not self._is_full:
            self._outside.discard(number)
            self.promises.keep(str(number))
            self._waiting.append(number)
            return self._start()
        is_first = number not in self._refused
        self._refused[number] = self._refused.get(number, 0) + 1
        told_s = self.promises.promise(str(number), self._announced, self.now_s)
        if (number * 0.618034) % 1 < self._load.never_back:
            self._unfinished -= 1
            return None
        self._outside.add(number)
        if is_first:
            self._told.append((self.now_s, told_s, len(self._outside)))
        wait_s = told_s * (1 + self._random.uniform(0, JITTER)) if self._obey else HAMMERS_EVERY_S
        return self._at(self.now_s + wait_s, self._try, number)

    def _hammer(self, number: int) -> None:
        if self._is_full:
            self.promises.promise(str(number), self._announced, self.now_s)
        self._at(self.now_s + HAMMERS_EVERY_S, self._hammer, number)

    def _figures(self) -> Figures:
        came = [number for number in range(len(self._load.jobs_s)) if number not in self._outside]
        in_vain = sum(max(self._refused.get(number, 0) - 1, 0) for number in came)
        errors = [
            (abs(told_s - true_s), abs(told_s - true_s) / true_s)
            for at_s, told_s, rank in self._told
            if (true_s := self._free_after_s(at_s, rank)) is not None
        ]
        return Figures(
            self.now_s,
            in_vain / len(came),
            self._idle_s / self._outside_s if self._outside_s else 0.0,
            median([error_s for error_s, _ in errors]),
            median([error for _, error in errors]),
            sum(told_s for _, told_s, _ in self._told) / max(len(self._told), 1),
        )

    def _free_after_s(self, at_s: float, rank: int) -> float | None:
        """How long it took from then until as many jobs had ended."""
        later = [end_s for end_s in self._ends_s if end_s > at_s]
        return later[rank - 1] - at_s if len(later) >= rank else None


def median(values: list[float]) -> float:
    """The upper one of two; 0 of none."""
    return sorted(values)[len(values) // 2] if values else 0.0
