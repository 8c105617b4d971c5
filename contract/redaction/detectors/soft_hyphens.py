r"""Finds secrets in spite of soft hyphens, which texts from PDFs have inside words. The hyphens themselves stay.

They are invisible to readers, but a search for `Password` does not find `Pass\u00adword`. So a text that contains them
is searched twice, as it is and without them, and findings in the second are mapped back to the first.
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
        """The span in the original text; soft hyphens at its ends are not part of it."""
        start = span.start + len(_BYTES) * bisect_right(self._places, span.start)
        end = span.end + len(_BYTES) * bisect_left(self._places, span.end)
        return Span(start, end, span.kind)


def joined(source: bytes) -> Joined | None:
    """The text without soft hyphens; None if it has none."""
    # A search for a single byte is fastest, and rules out most texts.
    return Joined(source) if _BYTES[-1:] in source and _BYTES in source else None
