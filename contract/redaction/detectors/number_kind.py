"""A kind of number with a check digit or the like: where it may begin, its exact form, and its validation."""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from contract.redaction.detectors.pattern import Pattern
from contract.redaction.detectors.text import Span


class Number(NamedTuple):
    """`near` finds each place where `exact` may match: one byte later, or at the very beginning of the text.

    Searching for `exact` directly would take twenty times as long.
    """

    near: Pattern
    exact: "re.Pattern[bytes]"
    validate: Callable[[bytes, "re.Match[bytes]"], Span | None]

    def at(self, source: bytes, near: int) -> "re.Match[bytes] | None":
        """The match that begins after the byte at `near`, or at the beginning of the text."""
        match = self.exact.match(source, near + 1)
        return self.exact.match(source) if match is None and near == 0 else match

    def rest(self, source: bytes, position: int) -> Iterator[Span]:
        """All from `position` on by searching for `exact`, which is as fast where candidates are dense."""
        if self.near.search(source, max(0, position - 1)):
            for match in self.exact.finditer(source, position):
                if span := self.validate(source, match):
                    yield span


def after(match: "re.Match[bytes]") -> int:
    """Where the next match may begin; a pattern that only looks ahead matches no bytes."""
    return max(match.end(), match.start() + 1)
