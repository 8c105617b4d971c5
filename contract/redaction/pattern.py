"""The sanitizer's patterns: RE2's, over bytes, in linear time whatever the text is."""

from typing import cast

import re2


class Pattern:
    """A compiled pattern that answers with positions only.

    It asks the binding's own object: a match object for each near miss would cost more than the search.
    """

    def __init__(self, pattern: str) -> None:
        compiled = re2.compile(pattern.encode(), options())
        self.pattern = pattern
        self._match = compiled._regexp.Match

    def search(self, source: bytes, start: int = 0) -> tuple[int, int] | None:
        """Where the first match at or after `start` stands; `\\b` and the like see what is before `start`."""
        span = self._match(re2._Anchor.UNANCHORED, source, start, len(source))[0]
        return None if span[0] < 0 else cast("tuple[int, int]", span)

    def end_of(self, source: bytes, start: int) -> int:
        """Where a match that begins at `start` ends; -1: there is none."""
        return cast("int", self._match(re2._Anchor.ANCHOR_START, source, start, len(source))[0][1])

    def groups(self, source: bytes, start: int, end: int) -> list[tuple[int, int]] | None:
        """All groups' positions in a match that begins at `start` and ends before `end`; (-1, -1): not in it."""
        spans = self._match(re2._Anchor.ANCHOR_START, source, start, end)
        return None if spans[0][0] < 0 else cast("list[tuple[int, int]]", spans)

    def matches(self, value: bytes) -> bool:
        """Whether all of a value matches."""
        return cast("int", self._match(re2._Anchor.ANCHOR_BOTH, value, 0, len(value))[0][0]) == 0

    def is_in(self, value: bytes) -> bool:
        return cast("int", self._match(re2._Anchor.UNANCHORED, value, 0, len(value))[0][0]) >= 0


def options() -> "re2.Options":
    chosen = re2.Options()
    # Latin-1 is bytes: a text of many scripts is searched as fast as one of letters.
    chosen.encoding = re2.Options.Encoding.LATIN1
    chosen.max_mem = 64 * 2**20
    chosen.log_errors = False
    return chosen
