"""Which style `auto` stands for with a model: a paired comparison that ends when it is decided."""

import math
from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple

FIRST_LOOK: Final = 50
"""Questions before the first look; each further look is at twice as many."""
_Z: Final = 2.41
"""Pocock's bound (1977) for up to five looks: together they decide wrongly in 5 of 100 comparisons of equals."""


class Verdict(NamedTuple):
    """The style that was right more often, and by how much written answers were, with an interval."""

    style: Literal["write", "quote"]
    difference: float
    """Share of right written answers less that of right quotes."""
    low: float
    high: float

    @property
    def is_decided(self) -> bool:
        """Whether the interval leaves only one style."""
        return self.low > 0 or self.high < 0


def verdict(written: Sequence[bool], quoted: Sequence[bool]) -> Verdict:
    """Of the same questions, in the same order. Equals are quoted: no slot of the model is needed for it.

    The interval is Agresti's and Min's for paired shares (2005): half a question more in each of the four cells.
    """
    only_written = sum(one and not other for one, other in zip(written, quoted, strict=True)) + 0.5
    only_quoted = sum(other and not one for one, other in zip(written, quoted, strict=True)) + 0.5
    count = len(written) + 2
    middle = (only_written - only_quoted) / count
    spread = math.sqrt(only_written + only_quoted - (only_written - only_quoted) ** 2 / count) / count
    style: Literal["write", "quote"] = "write" if only_written > only_quoted else "quote"
    low, high = max(-1.0, middle - _Z * spread), min(1.0, middle + _Z * spread)
    return Verdict(style, round(middle, 4), round(low, 4), round(high, 4))


def looks(most: int) -> Iterator[slice]:
    """The questions of each round: up to 50, 100, 200, … and at most `most`."""
    begin, end = 0, min(FIRST_LOOK, most)
    while begin < most:
        yield slice(begin, end)
        begin, end = end, min(2 * end, most)
