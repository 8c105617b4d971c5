"""What is wrong with the library now, in plain words: each part notes its own error, /health and alerts show it."""

import threading
import time
from collections.abc import Callable
from typing import Final

PASSES_WITHIN_S: Final = 10.0
"""An error that is over so soon, as when the message bus is started anew, is nobody's concern."""


class Condition:
    """The errors that parts have now. Any thread may note and read them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._errors: dict[str, tuple[float, str]] = {}
        """Under a part: since when it has one, and what it says now."""

    def failing(self, part: str, sentence: str, *, shown_after_s: float = 0.0) -> None:
        """A part has an error; `shown_after_s`: it is only shown if it is still there then."""
        with self._lock:
            since_s, _ = self._errors.get(part, (self._clock() + shown_after_s, ""))
            self._errors[part] = since_s, sentence

    def well(self, part: str) -> None:
        """A part did its work again."""
        with self._lock:
            self._errors.pop(part, None)

    def problems(self) -> list[str]:
        """One sentence for each part that has an error."""
        now_s = self._clock()
        with self._lock:
            return [sentence for shown_s, sentence in self._errors.values() if shown_s <= now_s]
