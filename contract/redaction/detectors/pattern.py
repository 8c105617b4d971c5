"""The sanitizer's patterns: RE2 over bytes, which takes linear time for any text."""

from collections.abc import Callable
from typing import Final

import re2

Search = Callable[[int], tuple[int, int] | None]
"""From a position to the first match that begins there or later. Positions come in ascending order."""

Gap = tuple[int, int]
"""No match begins from the first position to before the second."""

_LEAST_BYTES: Final = 64
"""Shorter gaps are not recorded: searching them again is as fast as skipping them."""


class Pattern:
    """A compiled pattern whose results are offsets.

    It uses the binding's inner object, since a match object for each candidate would cost more than the search.
    """

    def __init__(self, pattern: str) -> None:
        compiled = re2.compile(pattern.encode(), options())
        self.pattern = pattern
        self._match = compiled._regexp.Match

    def search(self, source: bytes, start: int = 0, end: int | None = None) -> tuple[int, int] | None:
        """Offsets of the first match between `start` and `end`; `\\b` and the like see the byte before `start`."""
        last = len(source) if end is None else end
        span: tuple[int, int] = self._match(re2._Anchor.UNANCHORED, source, start, last)[0]
        return None if span[0] < 0 else span

    def searching(self, source: bytes, seen: list[Gap]) -> Search:
        """`search` for repeated use on one text; ranges without a match are added to `seen`."""
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
        """The end of the match that begins at `start`; -1 if there is none."""
        end: int = self._match(re2._Anchor.ANCHOR_START, source, start, len(source))[0][1]
        return end

    def groups(self, source: bytes, start: int, end: int) -> list[tuple[int, int]] | None:
        """Offsets of all groups of the match that begins at `start`; (-1, -1) for a group that took no part."""
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
    # Latin-1 means bytes: a text in any script is searched as fast as ASCII.
    chosen.encoding = re2.Options.Encoding.LATIN1
    chosen.max_mem = 64 * 2**20
    chosen.log_errors = False
    return chosen
