"""Where a secret stands in a text."""

from typing import NamedTuple


class Span(NamedTuple):
    """The bytes from `start` to `end` are a secret of `kind`."""

    start: int
    end: int
    kind: str
