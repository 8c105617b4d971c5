"""What a version's text consists of, beside the text itself: kept in one piece, read in one piece."""

import msgspec

from contract.documents import Heading, Page, Span


class Outline(msgspec.Struct, frozen=True, array_like=True):
    """Offsets count code points of the canonical text."""

    pages: tuple[Page, ...] = ()
    headings: tuple[Heading, ...] = ()
    hidden: tuple[Span, ...] = ()
    pages_without_text: tuple[int, ...] = ()
    redactions: dict[str, int] = {}
