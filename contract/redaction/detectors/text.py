"""A text that can be searched again after replacements: only near them, with the result of a full search.

A pattern can match only where it matched before, unless the bytes that it reads have changed. So each search records
the ranges without a match, and the next search skips those that no replacement came near. Matches are validated again
each time, since a validator may read far; a validator that reads within fixed bounds may cache its rejections.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from contract.redaction.detectors.pattern import Gap, Pattern, Search


class Span(NamedTuple):
    """The bytes from `start` to `end` are a secret of `kind`."""

    start: int
    end: int
    kind: str


REACH_BYTES: Final = 256
"""No searched pattern reads more bytes than this from its beginning, nor more than one byte before it."""

READ_BYTES: Final = 512
"""Look-ahead limit of validators whose rejections are cached, in bytes from the beginning of the match."""

BEFORE_BYTES: Final = 384
"""Look-behind limit of validators whose rejections are cached, in bytes before the match."""

_Zone = tuple[int, int, int]
"""Start and end of a range in which nothing that a match reads was changed, and how far it has moved."""


class Refusals:
    """Ranges of one pass without a match, or with matches that were rejected; valid until their bytes change."""

    def __init__(self) -> None:
        self.costs: list[tuple[int, int]] = []
        self._gaps: list[Gap] = []
        self._begin = 0

    def refuse(self, place: int, read: int, cost: int = 0) -> None:
        """Reject the match at `place`, whose validation read up to `read`; its `cost` counts in each pass."""
        if read - place > READ_BYTES:
            self.validate_again(place)
        elif cost:
            self.costs.append((place, cost))

    def validate_again(self, place: int) -> None:
        """Validate the match at `place` again in the next pass."""
        self._gaps.append((self._begin, place))
        self._begin = place + 1

    def gaps(self, size: int) -> list[Gap]:
        """The ranges between the matches that must be validated again, in a text of `size` bytes."""
        return [*self._gaps, (self._begin, size)]


class Text:
    """UTF-8 bytes, and the ranges in which patterns are known not to match."""

    def __init__(self, source: bytes) -> None:
        self.source = source
        self._known: dict[Pattern, list[Gap]] = {}
        self._seen: dict[Pattern, list[Gap]] = {}
        self._refused: dict[Pattern, Refusals] = {}
        self._costs: dict[Pattern, list[tuple[int, int]]] = {}

    def searcher(self, pattern: Pattern) -> Search:
        """A search equal to `pattern.search`. Use one at a time for each pattern."""
        seen = self._seen[pattern] = []
        known = self._known.get(pattern)
        return pattern.searching(self.source, seen) if known is None else _passing(pattern, self.source, known, seen)

    def refused(self, pattern: Pattern, refusals: Refusals) -> None:
        """Keep a validator's rejections for the next pass; it must read no further than a pattern does."""
        self._refused[pattern] = refusals

    def spent(self, pattern: Pattern) -> int:
        """The cost of the cached rejections that this pass skips."""
        return sum(cost for _, cost in self._costs.get(pattern, ()))

    def replaced(self, spans: Sequence[Span]) -> "Text":
        """The text with a marker in place of each span; spans are sorted and disjoint."""
        parts: list[bytes] = []
        zones: list[_Zone] = []
        end = moved = begin = 0
        for span in spans:
            marker = f"[REDACTED:{span.kind}]".encode()
            parts += (self.source[end : span.start], marker)
            zones.append((begin, span.start - REACH_BYTES, moved))
            end = span.end
            begin = end + 1
            moved += len(marker) - (end - span.start)
        zones.append((begin, len(self.source), moved))
        text = Text(b"".join((*parts, self.source[end:])))
        text._known = {pattern: list(_kept(seen, zones)) for pattern, seen in self._seen.items()}
        further = READ_BYTES - REACH_BYTES
        apart = [
            (begin + BEFORE_BYTES if begin else 0, stop if stop == len(self.source) else stop - further, moved)
            for begin, stop, moved in zones
        ]
        for pattern, refusals in self._refused.items():
            text._known[pattern] = list(_kept(refusals.gaps(len(self.source)), apart))
            text._costs[pattern] = list(_moved(sorted(self._costs.get(pattern, []) + refusals.costs), apart))
        return text


def _passing(pattern: Pattern, source: bytes, known: list[Gap], seen: list[Gap]) -> Search:
    index = 0

    def search(position: int) -> tuple[int, int] | None:
        nonlocal index
        start = position
        while True:
            while index < len(known) and known[index][1] <= position:
                index += 1
            stop, after = known[index] if index < len(known) else (len(source), len(source))
            if position < stop:
                # Long enough that a match which begins before `stop` is found whole.
                found = pattern.search(source, position, min(stop + REACH_BYTES, len(source)))
                if found and found[0] < stop:
                    seen.append((start, found[0]))
                    return found
            if after == len(source):
                seen.append((start, after))
                return None
            position = after

    return search


def _kept(gaps: list[Gap], zones: Sequence[_Zone]) -> Iterator[Gap]:
    """The parts of the gaps that lie in the zones, at their new offsets."""
    for begin, stop, moved in zones:
        if begin >= stop:
            continue
        for index in range(bisect_right(gaps, begin, key=lambda gap: gap[1]), len(gaps)):
            start, end = gaps[index]
            if start >= stop:
                break
            if start < end:
                yield max(start, begin) + moved, min(end, stop) + moved


def _moved(costs: Sequence[tuple[int, int]], zones: Sequence[_Zone]) -> Iterator[tuple[int, int]]:
    """The costs whose offsets lie in the zones, at their new offsets."""
    for begin, stop, moved in zones:
        for index in range(bisect_left(costs, (begin, 0)), len(costs)):
            place, cost = costs[index]
            if place >= stop:
                break
            yield place + moved, cost
