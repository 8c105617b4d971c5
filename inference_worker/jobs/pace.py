"""How many jobs a worker ends in a second while all its slots are busy: what a full queue waits for.

Knows how long jobs run beside each other, not what they are. A job's cost is the machine's time that it took: its share
of each moment in which others ran beside it. An expected pace, from earlier loads or from the model's own measurement,
counts like some jobs that have ended. Without it the first completions of a load, which come late because all its jobs
began together, look like a slow machine, and clients are kept waiting beside idle slots.
"""

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

REMEMBERED_JOBS: Final = 32
"""After as many jobs in full slots, those before count half."""
_LONGEST: Final = 4.0
"""One job counts for no more than as many usual ones: a long one among short ones is no slow machine."""
_SLOWEST: Final = 0.001
"""Jobs per second; every told time is the longest long before."""
_FULL: Final = 3
"""Exponent: a job beside which half of the slots were idle says an eighth of what one in full slots says."""


class _Running(msgspec.Struct, frozen=True):
    since_s: float
    """Monotonic."""
    shared_s: float
    """The machine's time, divided by those who shared it, at the job's start."""


class Pace:
    """The pace of `slots` slots, as expected and then as measured."""

    def __init__(self, slots: int, expected: float = 0.0, clock: Callable[[], float] = time.monotonic) -> None:
        """`expected`: jobs per second; 0 where nothing is known: then a job a slot and second.

        That is on the fast side: a client that comes back too early costs milliseconds, one that waits too long loses
        seconds, and leaves slots idle.
        """
        self._slots = slots
        self._clock = clock
        self._weight = slots / 2
        self._cost_s = self._weight / (max(expected, _SLOWEST) if expected > 0 else slots)
        self._measured = 0.0
        self._shared_s = 0.0
        self._updated_s = clock()
        self._running: dict[object, _Running] = {}

    @contextlib.contextmanager
    def job(self) -> Iterator[None]:
        """Count what runs in this block as one job."""
        key = object()
        self._advance()
        self._running[key] = _Running(self._updated_s, self._shared_s)
        try:
            yield
        finally:
            self._end(key)

    @property
    def jobs_per_s(self) -> float:
        """While all slots are busy. Running jobs that take longer than usual count already."""
        self._advance()
        usual_s = self._usual_s
        overrun_s = 0.0
        for running in self._running.values():
            cost_s, weight = self._cost(running)
            overrun_s += weight * max(min(cost_s, _LONGEST * usual_s) - usual_s, 0)
        return max(self._weight / (self._cost_s + overrun_s), _SLOWEST)

    @property
    def is_measured(self) -> bool:
        """True once at least as many jobs as there are slots have ended beside others: measured, not estimated."""
        return self._measured >= self._slots

    @property
    def _usual_s(self) -> float:
        return self._cost_s / self._weight

    def _end(self, key: object) -> None:
        self._advance()
        cost_s, weight = self._cost(self._running.pop(key))
        self._measured += weight
        kept = 1 - weight * math.log(2) / REMEMBERED_JOBS
        self._cost_s = self._cost_s * kept + weight * min(cost_s, _LONGEST * self._usual_s)
        self._weight = self._weight * kept + weight

    def _advance(self) -> None:
        now_s = self._clock()
        if self._running:
            self._shared_s += (now_s - self._updated_s) / len(self._running)
        self._updated_s = now_s

    def _cost(self, running: _Running) -> tuple[float, float]:
        """The machine's time that the job has taken, if all slots had been busy, and how much that says.

        With some slots idle the truth lies between its share of the time, as if one job used the whole machine, and
        that of one slot, as if idle ones cost nothing: their geometric mean.
        """
        ran_s, share_s = self._updated_s - running.since_s, self._shared_s - running.shared_s
        if ran_s <= 0 or share_s <= 0:
            return 0.0, 0.0
        busy = min(ran_s / share_s / self._slots, 1.0)
        return math.sqrt(share_s * ran_s / self._slots), busy**_FULL
