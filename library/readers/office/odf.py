"""OpenDocument text and presentations: paragraphs, headings, lists and tables; footnotes at the end."""

from collections.abc import Iterable

from library.readers.canonical import Canvas
from library.readers.formats import Enclosed
from library.readers.office import xml_events
from library.readers.office.archive import Archive
from library.readers.office.xml_events import Attributes
from library.readers.reading import ReadingFailed
from library.readers.source import Source

_TEXT = "urn:oasis:names:tc:opendocument:xmlns:text:1.0 "
_TABLE = "urn:oasis:names:tc:opendocument:xmlns:table:1.0 "
_DRAW = "urn:oasis:names:tc:opendocument:xmlns:drawing:1.0 "
_OFFICE = "urn:oasis:names:tc:opendocument:xmlns:office:1.0 "
_STYLE = "urn:oasis:names:tc:opendocument:xmlns:style:1.0 "
_FO = "urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0 "

_LEFT_OUT = frozenset(
    (f"{_TEXT}tracked-changes", f"{_OFFICE}annotation", f"{_TEXT}note-citation", f"{_OFFICE}forms", f"{_TEXT}ruby-text")
)
_ENCRYPTED = b"encryption-data"
_WHITE = "#ffffff"
_MOST_SPACES = 1000


def read(source: Source, canvas: Canvas) -> Iterable[Enclosed]:
    """Write the document's text."""
    archive = Archive(source, canvas.limits)
    if "META-INF/manifest.xml" in archive.names and _ENCRYPTED in archive.part("META-INF/manifest.xml"):
        raise ReadingFailed("encrypted", "The document is protected by a password: save it without one.")
    hidden = _HiddenStyles()
    content = archive.part("content.xml")
    xml_events.parse([content], hidden, canvas.limits.depth)
    body = _Body(canvas, hidden.names)
    xml_events.parse([content], body, canvas.limits.depth)
    for note in body.notes:
        canvas.end_paragraph()
        canvas.flow(note)
    return ()


class _HiddenStyles(xml_events.Events):
    """The names of styles whose text is not shown."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self._style = ""

    def start(self, name: str, attributes: Attributes) -> None:
        if name == f"{_STYLE}style":
            self._style = attributes.get(f"{_STYLE}name", "")
        elif name == f"{_STYLE}text-properties":
            is_white = attributes.get(f"{_FO}color", "").lower() == _WHITE
            has_ground = attributes.get(f"{_FO}background-color", "transparent") != "transparent"
            if attributes.get(f"{_TEXT}display") == "none" or (is_white and not has_ground):
                self.names.add(self._style)


class _Body(xml_events.Events):
    """Writes text as it comes, but for footnotes, which are kept for the end."""

    def __init__(self, canvas: Canvas, hidden: set[str]) -> None:
        self.notes: list[str] = []
        self._canvas = canvas
        self._hidden_styles = hidden
        self._in_body = False
        self._left_out = 0
        self._in_note = 0
        self._in_cell = 0
        self._in_list = 0
        self._blocks: list[tuple[int, int]] = []  # where paragraphs and headings began, and their levels
        self._spans: list[int | None] = []  # where hidden spans began
        self._page_from = 0

    def start(self, name: str, attributes: Attributes) -> None:
        if name in _LEFT_OUT or self._left_out:
            self._left_out += 1
        elif name == f"{_OFFICE}body":
            self._in_body = True
        elif name == f"{_TEXT}note-body":
            self._in_note += 1
            self.notes.append("")
        elif self._in_body:
            self._open(name, attributes)

    def _open(self, name: str, attributes: Attributes) -> None:
        style = attributes.get(f"{_TEXT}style-name", "")
        match name.removeprefix(_TEXT).removeprefix(_TABLE).removeprefix(_DRAW):
            case "h":
                self._begin_block(int(attributes.get(f"{_TEXT}outline-level", "1") or 1))
            case "p":
                self._begin_block(0)
            case "s":
                self._write(" " * min(int(attributes.get(f"{_TEXT}c", "1") or 1), _MOST_SPACES))
            case "tab":
                self._write(" ")
            case "line-break":
                self._end_line()
            case "list-item":
                self._in_list += 1
                self._canvas.end_line()
                self._canvas.write("- ")
            case "table-cell":
                self._canvas.cell()
                self._in_cell += 1
            case "page" if name.startswith(_DRAW):
                self._canvas.end_paragraph()
                self._page_from = self._canvas.length
        if name in (f"{_TEXT}span", f"{_TEXT}p", f"{_TEXT}h"):
            self._spans.append(self._canvas.length if style in self._hidden_styles else None)
        elif name == f"{_TEXT}hidden-text":
            self._canvas.write(attributes.get(f"{_TEXT}string-value", ""))

    def end(self, name: str) -> None:
        if self._left_out:
            self._left_out -= 1
            return
        if name in (f"{_TEXT}span", f"{_TEXT}p", f"{_TEXT}h") and self._spans:
            start = self._spans.pop()
            if start is not None:
                self._canvas.conceal(start, self._canvas.length, "markup")
        if name == f"{_TEXT}note-body":
            self._in_note -= 1
        elif name in (f"{_TEXT}p", f"{_TEXT}h") and self._blocks:
            self._end_block()
        elif name == f"{_TABLE}table-cell":
            self._in_cell -= 1
        elif name == f"{_TABLE}table-row":
            self._canvas.end_line()
        elif name == f"{_TEXT}list-item":
            self._in_list -= 1
        elif name in (f"{_TABLE}table", f"{_TEXT}list") and not self._in_list:
            self._canvas.end_paragraph()
        elif name == f"{_DRAW}page":
            self._canvas.mark_page(self._page_from)

    def text(self, data: str) -> None:
        if self._in_body and not self._left_out and self._blocks:
            self._write(data)

    def _begin_block(self, level: int) -> None:
        self._blocks.append((self._canvas.length, level))

    def _end_block(self) -> None:
        start, level = self._blocks.pop()
        if self._in_note or self._in_cell:
            self._write(" ")
            return
        if level:
            self._canvas.mark_heading_from(start, level)
        self._canvas.end_line() if self._in_list else self._canvas.end_paragraph()

    def _end_line(self) -> None:
        self._write(" ") if self._in_note or self._in_cell else self._canvas.end_line()

    def _write(self, text: str) -> None:
        if self._in_note:
            self.notes[-1] += text
        else:
            self._canvas.flow(text)
