"""The canonical text while it is being written: one string, and the spans that mean something in it.

Knows no format. Code points are kept as they are, but for control characters and surrogates.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from library.readers.limits import Limits
from library.readers.reading import Heading, Hidden, HiddenReason, Page, ReadingFailed

_CONTROLS: dict[int, str | None] = {
    code: None for code in (*range(0x20), *range(0x7F, 0xA0), 0xFFFE, 0xFFFF) if code not in (9, 10)
}
_CONTROLS.update({0x0B: "\n", 0x0C: "\n", 0x85: "\n"})
_SURROGATES = re.compile(r"[\ud800-\udfff]")
_SPACES = re.compile(r"[ \t\r\n\f]+")
_SOFT_HYPHEN = "\u00ad"
# Letters that are displayed as nothing at all, behind any text; not those that end the flag of a region.
_TAGS = re.compile("(?<![\U0001f3f4\U000e0000-\U000e007f])[\U000e0000-\U000e007f]{2,}")


def cleaned(text: str) -> str:
    """Without control characters; lines end with a line feed, surrogates become U+FFFD."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_CONTROLS)
    return _SURROGATES.sub("\ufffd", text)


_TITLE_CHARS = 200


class Canvas:
    """Collects text, headings, hidden spans and pages; raises ReadingFailed past the limit of text."""

    def __init__(self, limits: Limits, progress: Callable[[int, int], None] = lambda read, pages: None) -> None:
        self.limits = limits
        self.progress = progress
        self.title = ""
        self.pages: list[Page] = []
        self.headings: list[Heading] = []
        self.hidden: list[Hidden] = []
        self.pages_without_text: list[int] = []
        self.has_images = False  # on pages without text
        self.length = 0
        self._pieces: list[str] = []
        self._tail = "\n\n"  # as if lines stood before: no text begins with empty ones
        self._is_space_due = False

    def write(self, text: str) -> None:
        """Append the text as it is."""
        self._is_space_due = False
        text = cleaned(text)
        if not text:
            return
        self.length += len(text)
        if self.length > self.limits.text_chars:
            raise ReadingFailed(
                "too-large", f"The document holds more than {self.limits.text_chars:,} characters of text: split it."
            )
        self._pieces.append(text)
        self._tail = (self._tail + text)[-2:]

    def flow(self, text: str) -> None:
        """Append text whose white space means nothing: each run of it becomes one space."""
        text = _SPACES.sub(" ", text.replace(_SOFT_HYPHEN, ""))
        words = text.strip(" ")
        if text[:1] == " ":
            self._is_space_due = True
        if words:
            is_apart = self._is_space_due and self._tail[-1] not in " \n\t"
            self.write(f" {words}" if is_apart else words)
            self._is_space_due = text[-1] == " "

    def cell(self) -> None:
        """What follows is the next cell of a row, behind a tab; the first of a row has none before it."""
        if self._tail[-1] != "\n":
            self.write("\t")

    def end_line(self) -> None:
        """What follows begins a line."""
        if self._tail[-1] != "\n":
            self.write("\n")

    def end_paragraph(self) -> None:
        """What follows begins a paragraph, behind an empty line."""
        self.end_line()
        if self._tail != "\n\n":
            self.write("\n")

    @contextmanager
    def heading(self, level: int) -> Iterator[None]:
        """What is written inside is a heading."""
        start = self.length
        yield
        self.mark_heading_from(start, level)

    def mark_heading(self, start: int, end: int, level: int, *, goes_on: bool = False) -> None:
        """Mark a span that was written as a heading, or as the rest of the last one."""
        if goes_on and self.headings:
            start = self.headings.pop().start
        self.headings.append(Heading(start, end, level))

    def mark_heading_from(self, start: int, level: int) -> None:
        """Mark what was written from there on as a heading; nothing, where that is white space."""
        if span := self._span(start):
            self.headings.append(Heading(*span, level=min(max(level, 1), 6)))

    @contextmanager
    def concealed(self, reason: HiddenReason) -> Iterator[None]:
        """What is written inside the block is marked as hidden."""
        start = self.length
        yield
        self.conceal(start, self.length, reason)

    def conceal(self, start: int, end: int, reason: HiddenReason) -> None:
        """Mark a span as hidden, without white space before it; one that another holds adds none."""
        written = self._since(start)[: end - start]
        start += len(written) - len(written.lstrip())
        if start >= end or (self.hidden and self.hidden[-1].start <= start and end <= self.hidden[-1].end):
            return
        while self.hidden and self.hidden[-1].start >= start:
            self.hidden.pop()
        self.hidden.append(Hidden(start, end, reason))

    @contextmanager
    def page(self, label: str = "", ocr: bool = False) -> Iterator[None]:
        """What is written inside is one page."""
        start = self.length
        yield
        self.mark_page(start, label, ocr=ocr)

    def mark_page(self, start: int, label: str = "", *, ocr: bool = False) -> None:
        """What was written from there on is one page."""
        self.pages.append(Page(start, self.length, label, ocr))
        if not self._span(start):
            self.pages_without_text.append(len(self.pages))

    def finish(self) -> str:
        """The whole text; nothing may be written any more."""
        text = "".join(self._pieces)
        if not self.title and self.headings:
            first = self.headings[0]
            self.title = text[first.start : first.end].lstrip("# ")[:_TITLE_CHARS]
        for tags in _TAGS.finditer(text):
            self.hidden.append(Hidden(tags.start(), tags.end(), "invisible"))
        self.hidden.sort(key=lambda span: span.start)
        return text

    def _span(self, start: int) -> tuple[int, int] | None:
        """From `start` on, without white space around; None: there is nothing else."""
        written = self._since(start)
        lead = len(written) - len(written.lstrip())
        core = written.strip()
        return (start + lead, start + lead + len(core)) if core else None

    def _since(self, start: int) -> str:
        pieces: list[str] = []
        position = self.length
        for piece in reversed(self._pieces):
            if position <= start:
                break
            position -= len(piece)
            pieces.append(piece)
        return "".join(reversed(pieces))[start - position :]
