"""A kind of number that carries a check: where it may begin, its exact form, and what its digits must prove."""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from contract.redaction.detectors.pattern import Pattern
from contract.redaction.detectors.text import Span


class Number(NamedTuple):
    """`near` leads to each place that `exact` may begin at, with one byte before it or with the text.

    The search of `exact` takes twenty times as long as RE2's.
    """

    near: Pattern
    exact: "re.Pattern[bytes]"
    judge: Callable[[bytes, "re.Match[bytes]"], Span | None]

    def at(self, source: bytes, near: int) -> "re.Match[bytes] | None":
        """What begins behind the byte at `near`, or with the text."""
        match = self.exact.match(source, near + 1)
        return self.exact.match(source) if match is None and near == 0 else match

    def rest(self, source: bytes, position: int) -> Iterator[Span]:
        """All from `position` on, by a search of its own: as quick where one stands beside the other."""
        if self.near.search(source, max(0, position - 1)):
            for match in self.exact.finditer(source, position):
                if span := self.judge(source, match):
                    yield span


def after(match: "re.Match[bytes]") -> int:
    """Where the next one may begin; a pattern that only looks ahead has no end of its own."""
    return max(match.end(), match.start() + 1)
