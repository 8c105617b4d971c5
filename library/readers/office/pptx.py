"""PPTX: each slide is a page, its title a heading; paragraphs, tables and notes in the order of the file."""

import posixpath
from collections.abc import Iterable

from library.readers.canonical import Canvas
from library.readers.formats import Enclosed
from library.readers.office import xml_events
from library.readers.office.archive import Archive
from library.readers.office.xml_events import Attributes, local
from library.readers.reading import ReadingFailed
from library.readers.source import Source

_PRESENTATION = "ppt/presentation.xml"
_TITLES = frozenset(("title", "ctrTitle"))
_REPEATED = frozenset(("sldNum", "dt", "ftr", "hdr", "sldImg"))
_ID = "http://schemas.openxmlformats.org/officeDocument/2006/relationships id"
_STRICT_ID = "http://purl.oclc.org/ooxml/officeDocument/relationships id"


def read(source: Source, canvas: Canvas) -> Iterable[Enclosed]:
    """Write the slides in the order in which they are shown; hidden ones are hidden."""
    archive = Archive(source, canvas.limits)
    depth = canvas.limits.depth
    slides = _slides(archive, depth)
    if len(slides) > canvas.limits.pages:
        raise ReadingFailed("too-many-pages", f"The presentation has {len(slides):,} slides: split it.")
    for number, name in enumerate(slides, start=1):
        with canvas.page():
            canvas.end_paragraph()
            start = canvas.length
            slide = _Slide(canvas)
            xml_events.parse(archive.pieces(name), slide, depth)
            for _, notes in _related(archive, name, "/notesSlide", depth):
                xml_events.parse(archive.pieces(notes), _Slide(canvas), depth)
            if slide.is_hidden:
                canvas.conceal(start, canvas.length, "markup")
        canvas.progress(number, len(slides))
    return ()


def _slides(archive: Archive, depth: int) -> list[str]:
    order = _Order()
    xml_events.parse(archive.pieces(_PRESENTATION), order, depth)
    names = dict(_related(archive, _PRESENTATION, "/slide", depth))
    return [names[key] for key in order.keys if key in names]


def _related(archive: Archive, name: str, kind: str, depth: int) -> list[tuple[str, str]]:
    """Ids and names of the parts of a kind that a part refers to, as far as they are in the file."""
    folder, file = posixpath.split(name)
    relations = f"{folder}/_rels/{file}.rels"
    if relations not in archive.names:
        return []
    found = _Relations(kind)
    xml_events.parse(archive.pieces(relations), found, depth)
    paths = [(key, posixpath.normpath(posixpath.join(folder, target)).lstrip("/")) for key, target in found.targets]
    return [(key, path) for key, path in paths if path in archive.names]


class _Order(xml_events.Events):
    """The slides' ids, as they are shown."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    def start(self, name: str, attributes: Attributes) -> None:
        if local(name) == "sldId":
            self.keys.append(attributes.get(_ID) or attributes.get(_STRICT_ID, ""))


class _Relations(xml_events.Events):
    def __init__(self, kind: str) -> None:
        self._kind = kind
        self.targets: list[tuple[str, str]] = []

    def start(self, name: str, attributes: Attributes) -> None:
        if local(name) == "Relationship" and attributes.get("Type", "").endswith(self._kind):
            self.targets.append((attributes.get("Id", ""), attributes.get("Target", "")))


class _Slide(xml_events.Events):
    """Writes a slide's paragraphs as they come."""

    def __init__(self, canvas: Canvas) -> None:
        self.is_hidden = False
        self._canvas = canvas
        self._placeholder = ""
        self._is_text = False
        self._in_cell = 0
        self._heading_from = 0

    def start(self, name: str, attributes: Attributes) -> None:
        match local(name):
            case "sld":
                self.is_hidden = attributes.get("show") in ("0", "false")
            case "sp" | "graphicFrame":
                self._placeholder = ""
            case "ph":
                self._placeholder = attributes.get("type", "body")
            case "txBody" if not self._in_cell:
                self._canvas.end_paragraph()
                self._heading_from = self._canvas.length
            case "t":
                self._is_text = self._placeholder not in _REPEATED
            case "br":
                self._canvas.flow(" ") if self._in_cell else self._canvas.end_line()
            case "tc":
                self._canvas.cell()
                self._in_cell += 1

    def end(self, name: str) -> None:
        match local(name):
            case "t":
                self._is_text = False
            case "p":
                self._canvas.flow(" ") if self._in_cell else self._canvas.end_line()
            case "tc":
                self._in_cell -= 1
            case "tr":
                self._canvas.end_line()
            case "txBody" if not self._in_cell:
                if self._placeholder in _TITLES:
                    self._canvas.mark_heading_from(self._heading_from, 1)
                self._canvas.end_paragraph()

    def text(self, data: str) -> None:
        if self._is_text:
            self._canvas.flow(data)
