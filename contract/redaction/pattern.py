"""The sanitizer's patterns: RE2's, over bytes, in linear time whatever the text is."""

import re
from collections.abc import Iterator
from typing import Final

import re2

_FEW_NEAR: Final = 500
_BYTES_EACH: Final = 64
"""Where places are denser than that the exact pattern's own search is as quick."""


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


def exact_matches(near: Pattern, exact: "re.Pattern[bytes]", source: bytes) -> Iterator["re.Match[bytes]"]:
    """What `exact` finds, where its own search takes twenty times as long as RE2's.

    `near` leads to each place that it may begin at: with one byte before it, or with the text.
    """
    position = 0
    for _ in range(_FEW_NEAR + len(source) // _BYTES_EACH):
        found = near.search(source, position)
        if not found:
            return
        position = found[0] + 1
        if match := exact.match(source, position) or (exact.match(source) if position == 1 else None):
            yield match
            position = max(match.end(), match.start() + 1)
    yield from exact.finditer(source, position)


def options() -> "re2.Options":
    chosen = re2.Options()
    # Latin-1 is bytes: a text of many scripts is searched as fast as one of letters.
    chosen.encoding = re2.Options.Encoding.LATIN1
    chosen.max_mem = 64 * 2**20
    chosen.log_errors = False
    return chosen
