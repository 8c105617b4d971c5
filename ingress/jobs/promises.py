"""When refused clients may come back: the k-th of them when the k-th place from now will be free.

Pure: knows a pace and a time, no bus and no clock. A promise is keyed by client and `Idempotency-Key`, or by the body
where there is none: the same refusal again renews it and adds none, so that a client that hammers makes no other wait.
Clients that don't come back leave places free: of those before a client, as many count as lately came.
"""

import math
from collections import OrderedDict
from typing import Final

import msgspec

LONGEST_S: Final = 60
KEPT_S: Final = 1.0
"""How long after its time a promise is held for a client that has not come, at least."""
_KEPT_SHARE: Final = 0.3
"""And as a part of the told time: clients add up to a quarter of it, so that they don't all come at once."""
_EARLY_S: Final = 0.1
"""Part of a second that is cut off whole ones: clients add to what they are told, by jitter and by their way here."""
MOST: Final = 1000
"""Promises that are held; with more outstanding, everybody is told the longest time."""
_COME: Final = 0.9
"""The part of the refused clients that is expected back before any was seen to come or not."""
_SEEN_FIRST: Final = 10.0
"""As many clients as that expectation counts for."""
_SEEN_MOST: Final = 40.0
"""Clients that count for what comes next; those before fade."""


class _Promise(msgspec.Struct, frozen=True):
    due_s: float
    kept_until_s: float


class Promises:
    """The told times of one process, first refused first."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, _Promise] = OrderedDict()
        self._came = _COME * _SEEN_FIRST
        self._seen = _SEEN_FIRST

    @property
    def come_back(self) -> float:
        """The part of the refused clients that comes back, 0 to 1."""
        return self._came / self._seen

    def __len__(self) -> int:
        return len(self._held)

    def promise(self, key: str, pace: float, now_s: float) -> int:
        """Whole seconds, 1 to LONGEST_S, until the place of this client is free.

        `pace`: places that are freed a second; `now_s`: monotonic. A client that comes too early is told the rest of
        its time; one that came in time and found no place keeps its rank.
        """
        self._drop_expired(now_s)
        held = self._held.get(key)
        if held is None and len(self._held) >= MOST:
            return LONGEST_S
        if held is None or held.due_s <= now_s:
            told_s = _bounded(self._rank(key) / pace)
            held = _Promise(now_s + told_s, now_s + told_s + max(KEPT_S, _KEPT_SHARE * told_s))
            self._held[key] = held
        return _bounded(held.due_s - now_s)

    def keep(self, key: str) -> None:
        """The client has its place."""
        if self._held.pop(key, None):
            self._note(came=True)

    def outstanding_s(self, now_s: float) -> list[float]:
        """In how many seconds the clients that were told to come back are due, soonest first."""
        self._drop_expired(now_s)
        return sorted(max(held.due_s - now_s, 0.0) for held in self._held.values())

    def _rank(self, key: str) -> float:
        """1 for the next place."""
        before = len(self._held)
        if key in self._held:
            before = next(rank for rank, held in enumerate(self._held) if held == key)
        return before * self.come_back + 1

    def _drop_expired(self, now_s: float) -> None:
        expired = [key for key, held in self._held.items() if held.kept_until_s < now_s]
        for key in expired:
            del self._held[key]
            self._note(came=False)

    def _note(self, *, came: bool) -> None:
        kept = 1 - 1 / _SEEN_MOST
        self._came = self._came * kept + came
        self._seen = self._seen * kept + 1


def _bounded(seconds: float) -> int:
    return min(max(math.ceil(seconds - _EARLY_S), 1), LONGEST_S)
