"""A request rate: a count in a time window, written `100/minute`. Knows nothing of who enforces it."""

import re
from typing import Final

_WINDOWS_S: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
_FORM: Final = re.compile(r"([1-9][0-9]{0,5})/(second|minute|hour|day)")

MAX_COUNT: Final = 10_000
"""A limiter remembers each request of a window, so this bounds the memory per client."""


class Rate:
    """`count` requests in `window_s` seconds, parsed from a text; raises ValueError."""

    def __init__(self, text: str) -> None:
        found = _FORM.fullmatch(text)
        if not found or int(found[1]) > MAX_COUNT:
            raise ValueError(
                f"Expected COUNT/second, /minute, /hour or /day with a count of 1 to {MAX_COUNT}, as in 100/minute"
            )
        self.count = int(found[1])
        self.window_s = _WINDOWS_S[found[2]]
        self._text = text

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"Rate({self._text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rate) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(self._text)
