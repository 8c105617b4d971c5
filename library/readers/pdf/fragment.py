"""A piece of a line on a page: what is between two wide gaps."""

import re

import msgspec

from library.readers.reading import HiddenReason

_WORD = re.compile(r"\S+")


class Fragment(msgspec.Struct):
    """Lengths in points, y upwards; `row` is the same for the pieces of one line, in the order of the file."""

    text: str
    left: float
    right: float
    bottom: float
    top: float
    size: float
    row: int
    baseline: float = 0.0  # what the letters stand on
    is_bold: bool = False
    is_running: bool = False  # a head or foot that repeats
    is_hyphenated: bool = False  # a hyphen that ended the line was cut off
    hidden: list[tuple[int, int, HiddenReason]] = []  # spans of `text`

    @property
    def width(self) -> float:
        """In points."""
        return self.right - self.left

    @property
    def middle(self) -> float:
        """Where it is on the page, vertically."""
        return (self.top + self.bottom) / 2

    @property
    def is_hidden(self) -> bool:
        """Whether all of it is."""
        return sum(end - start for start, end, _ in self.hidden) >= len("".join(self.text.split()))

    @property
    def words(self) -> int:
        """How many words there are."""
        return len(_WORD.findall(self.text))


class Sheet(msgspec.Struct):
    """One page of the PDF as fragments, in the order of the file."""

    fragments: list[Fragment]
    width: float
    height: float
    has_unreadable_fonts: bool = False
    has_image: bool = False  # or drawings: something that may show text
    is_recognised: bool = False  # from an image
    is_filled_in: bool = False  # a form: what was filled in comes last in the file
