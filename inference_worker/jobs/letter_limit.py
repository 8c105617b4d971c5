"""Bounds the dead letters of messages that are no questions, so that one publisher's can't push out the others'."""

import time
from collections import Counter
from typing import Final

PER_HOUR: Final = 1000
"""Half a megabyte of letters, which keep only the size and the hash of such a message."""
_HOUR_S: Final = 3600.0


class LetterLimit:
    """Counts letters by publisher, in hours of this process's clock."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()
        self._kept: Counter[str] = Counter()

    def admits(self, publisher: str) -> bool:
        """Count one letter; False when the publisher has had all of this hour's."""
        if time.monotonic() - self._began_s >= _HOUR_S:
            self._began_s = time.monotonic()
            self._kept.clear()
        self._kept[publisher] += 1
        return self._kept[publisher] <= PER_HOUR
