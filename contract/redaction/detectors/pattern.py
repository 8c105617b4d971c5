"""The sanitizer's patterns: RE2's, over bytes, in linear time whatever the text is."""

from collections.abc import Callable
from typing import Final

import re2

Search = Callable[[int], tuple[int, int] | None]
"""From a position to the first match that begins there or later. Positions come in ascending order."""

Gap = tuple[int, int]
"""No match begins from the first position to before the second."""

_LEAST_BYTES: Final = 64
"""A gap that is shorter is searched again as quickly as it is passed over."""


class Pattern:
    """A compiled pattern that answers with positions only.

    It asks the binding's own object: a match object for each near miss would cost more than the search.
    """

    def __init__(self, pattern: str) -> None:
        compiled = re2.compile(pattern.encode(), options())
        self.pattern = pattern
        self._match = compiled._regexp.Match

    def search(self, source: bytes, start: int = 0, end: int | None = None) -> tuple[int, int] | None:
        """Where the first match from `start` to `end` stands; `\\b` and the like see what is before `start`."""
        last = len(source) if end is None else end
        span: tuple[int, int] = self._match(re2._Anchor.UNANCHORED, source, start, last)[0]
        return None if span[0] < 0 else span

    def searching(self, source: bytes, seen: list[Gap]) -> Search:
        """`search` over and over in the same text; what lies between is added to `seen`."""
        match, anchor, last = self._match, re2._Anchor.UNANCHORED, len(source)

        def search(position: int) -> tuple[int, int] | None:
            span: tuple[int, int] = match(anchor, source, position, last)[0]
            start = span[0]
            if start < 0:
                seen.append((position, last))
                return None
            if start - position > _LEAST_BYTES:
                seen.append((position, start))
            return span

        return search

    def end_of(self, source: bytes, start: int) -> int:
        """Where a match that begins at `start` ends; -1: there is none."""
        end: int = self._match(re2._Anchor.ANCHOR_START, source, start, len(source))[0][1]
        return end

    def groups(self, source: bytes, start: int, end: int) -> list[tuple[int, int]] | None:
        """All groups' positions in a match that begins at `start` and ends before `end`; (-1, -1): not in it."""
        spans: list[tuple[int, int]] = self._match(re2._Anchor.ANCHOR_START, source, start, end)
        return None if spans[0][0] < 0 else spans

    def matches(self, value: bytes) -> bool:
        """Whether all of a value matches."""
        start: int = self._match(re2._Anchor.ANCHOR_BOTH, value, 0, len(value))[0][0]
        return start == 0

    def is_in(self, value: bytes) -> bool:
        start: int = self._match(re2._Anchor.UNANCHORED, value, 0, len(value))[0][0]
        return start >= 0


def options() -> "re2.Options":
    chosen = re2.Options()
    # Latin-1 is bytes: a text of many scripts is searched as fast as one of letters.
    chosen.encoding = re2.Options.Encoding.LATIN1
    chosen.max_mem = 64 * 2**20
    chosen.log_errors = False
    return chosen
