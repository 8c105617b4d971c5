"""How long imports take, to compute a refused upload's `Retry-After`. Kept in the process's memory."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from typing import Final

_WEIGHT: Final = 0.2
_FIRST_GUESS_S: Final = 1.0
MOST_S: Final = 3600


class Pace:
    """A moving average over the imports that ended, and what runs now."""

    def __init__(self, slots: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._slots = slots
        self._clock = clock
        self._mean_s = _FIRST_GUESS_S
        self._began_s: dict[str, float] = {}

    @contextlib.contextmanager
    def working(self, document: str) -> Iterator[None]:
        """While an import runs; one that is broken off counts for nothing."""
        began_s = self._began_s[document] = self._clock()
        try:
            yield
            self._mean_s += _WEIGHT * (self._clock() - began_s - self._mean_s)
        finally:
            self._began_s.pop(document, None)

    def next_free_s(self) -> int:
        """When the next place in the queue will be free: whole seconds, from 1 on."""
        if len(self._began_s) < self._slots:
            return 1
        now_s = self._clock()
        # One that runs longer than usual is taken to be half done.
        left_s = min(max(self._mean_s - (now_s - began_s), (now_s - began_s) / 2) for began_s in self._began_s.values())
        return min(max(math.ceil(left_s), 1), MOST_S)
