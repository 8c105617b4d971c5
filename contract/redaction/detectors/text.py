"""A text that is searched again after some of it was replaced: near what is new, and with what a whole search finds.

A pattern can begin only where it began before, except where what it reads was touched. So each search keeps where the
pattern is not, and the next one passes over all of that which no replacement came near. What was found is judged anew
every time, since a judge may read far; one that reads no further than a pattern does says what it refused for good.
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
"""No pattern that is searched for reads more bytes than that after its beginning, nor more than one before it."""

READ_BYTES: Final = 512
"""No judge whose refusals are kept reads more bytes after the beginning of what it judges."""

BEFORE_BYTES: Final = 384
"""No judge whose refusals are kept reads more before what it judges, nor passes over more behind it."""

_Zone = tuple[int, int, int]
"""From where to where nothing that a match reads was touched, and how far that has moved."""


class Refusals:
    """Where in a look nothing was found or what was found was refused for good: unless that is touched, it still is."""

    def __init__(self) -> None:
        self.costs: list[tuple[int, int]] = []
        self._gaps: list[Gap] = []
        self._begin = 0

    def refuse(self, place: int, read: int, cost: int = 0) -> None:
        """What begins at `place`; judging it took all before `read`, and costs, which counts in each look."""
        if read - place > READ_BYTES:
            self.judge_anew(place)
        elif cost:
            self.costs.append((place, cost))

    def judge_anew(self, place: int) -> None:
        """What begins at `place` is judged anew in the next look."""
        self._gaps.append((self._begin, place))
        self._begin = place + 1

    def gaps(self, size: int) -> list[Gap]:
        """All between what is judged anew, in a text of `size` bytes."""
        return [*self._gaps, (self._begin, size)]


class Text:
    """UTF-8, and what is known of where patterns do not begin in it."""

    def __init__(self, source: bytes) -> None:
        self.source = source
        self._known: dict[Pattern, list[Gap]] = {}
        self._seen: dict[Pattern, list[Gap]] = {}
        self._refused: dict[Pattern, Refusals] = {}
        self._costs: dict[Pattern, list[tuple[int, int]]] = {}

    def searcher(self, pattern: Pattern) -> Search:
        """Finds what `pattern.search` finds. One at a time for each pattern."""
        seen = self._seen[pattern] = []
        known = self._known.get(pattern)
        return pattern.searching(self.source, seen) if known is None else _passing(pattern, self.source, known, seen)

    def refused(self, pattern: Pattern, refusals: Refusals) -> None:
        """Keep for the next look what a judge refused that reads no further than a pattern does."""
        self._refused[pattern] = refusals

    def spent(self, pattern: Pattern) -> int:
        """What it cost to judge all that this look passes over."""
        return sum(cost for _, cost in self._costs.get(pattern, ()))

    def replaced(self, spans: Sequence[Span]) -> "Text":
        """The text with a marker for each of the spans, which stand apart from each other and from left to right."""
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
                # A match that begins before `stop` ends before this, and is not cut off.
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
    """What of the gaps lies in the zones, at its new place."""
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
    """Those of the places with a cost that lie in the zones, where they are now."""
    for begin, stop, moved in zones:
        for index in range(bisect_left(costs, (begin, 0)), len(costs)):
            place, cost = costs[index]
            if place >= stop:
                break
            yield place + moved, cost
