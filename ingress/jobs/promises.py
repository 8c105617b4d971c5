"""When refused clients may come back: the k-th of them when the k-th place from now will be free.

Pure: knows a pace and a time, no bus and no clock. A promise is keyed by client and `Idempotency-Key`, or by the body
where there is none: the same refusal again renews it and adds none, so that a client that hammers makes no other wait.
"""

import math
from collections import OrderedDict
from typing import Final

LONGEST_S: Final = 60
KEPT_S: Final = 3.0
"""How long after its time a promise is held for a client that has not come."""
_EARLY_S: Final = 0.25
"""Part of a second that is cut off whole ones: clients add to what they are told, by jitter and by their way here."""
MOST: Final = 1000
"""Promises that are held; with more outstanding, everybody is told the longest time."""


class Promises:
    """The told times of one process, first refused first."""

    def __init__(self) -> None:
        self._due_s: OrderedDict[str, float] = OrderedDict()

    def promise(self, key: str, pace: float, now_s: float) -> int:
        """Whole seconds, 1 to LONGEST_S, until the place of this client is free.

        `pace`: places that are freed a second; `now_s`: monotonic. A client that comes too early is told the rest of
        its time; one that came in time and found no place keeps its rank.
        """
        self._drop_expired(now_s)
        due_s = self._due_s.get(key)
        if due_s is None and len(self._due_s) >= MOST:
            return LONGEST_S
        if due_s is None or due_s <= now_s:
            due_s = now_s + _bounded(self._rank(key) / pace)
            self._due_s[key] = due_s
        return _bounded(due_s - now_s)

    def keep(self, key: str) -> None:
        """The client has its place."""
        self._due_s.pop(key, None)

    def outstanding_s(self, now_s: float) -> list[float]:
        """In how many seconds the clients that were told to come back are due, soonest first."""
        self._drop_expired(now_s)
        return sorted(max(due_s - now_s, 0.0) for due_s in self._due_s.values())

    def _rank(self, key: str) -> int:
        """1 for the next place."""
        if key not in self._due_s:
            return len(self._due_s) + 1
        return next(rank for rank, held in enumerate(self._due_s, 1) if held == key)

    def _drop_expired(self, now_s: float) -> None:
        expired = [key for key, due_s in self._due_s.items() if due_s + KEPT_S < now_s]
        for key in expired:
            del self._due_s[key]


def _bounded(seconds: float) -> int:
    return min(max(math.ceil(seconds - _EARLY_S), 1), LONGEST_S)
