r"""Looks through soft hyphens, which texts that come from PDFs have inside of words: they stay, and hide nothing.

Nobody sees them, but a search does: to it `Pass\u00adword` is no name of a password. So a text that has them is looked
at twice, as it stands and without them; what is found without them is taken out where it stands with them.
"""

from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import Final

from contract.redaction.detectors.text import Span, Text

SOFT_HYPHEN: Final = "\u00ad"
_BYTES: Final = SOFT_HYPHEN.encode()


class Joined:
    """A text without its soft hyphens, and where they were."""

    def __init__(self, source: bytes) -> None:
        parts = source.split(_BYTES)
        self.text = Text(b"".join(parts))
        self._places = list(accumulate(map(len, parts[:-1])))

    def back(self, span: Span) -> Span:
        """The same in the text with them; those at its ends are not in it."""
        start = span.start + len(_BYTES) * bisect_right(self._places, span.start)
        end = span.end + len(_BYTES) * bisect_left(self._places, span.end)
        return Span(start, end, span.kind)


def joined(source: bytes) -> Joined | None:
    """None: the text has none."""
    # The last byte alone is found at once, or its absence.
    return Joined(source) if _BYTES[-1:] in source and _BYTES in source else None
