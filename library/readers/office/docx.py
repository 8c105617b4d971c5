"""DOCX as text: mammoth makes HTML of its parts, in reading order; hidden text is marked on the way there.

Only the parts that hold text are handed to mammoth: no images, no links, nothing outside of the file.
"""

import io
import posixpath
import sys
import zipfile
from collections.abc import Iterable, Iterator
from typing import cast
from xml.dom import expatbuilder  # noqa: F401 (minidom, mammoth's parser, imports it when first used: too late)
from xml.etree import ElementTree as Tree

import mammoth

from library.readers.canonical import Canvas
from library.readers.formats import Enclosed
from library.readers.office import xml_events
from library.readers.office.archive import Archive
from library.readers.source import Source
from library.readers.text.html import write_html

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_TRANSITIONAL = b"http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_STRICT = b"http://purl.oclc.org/ooxml/wordprocessingml/main"
_RELATION = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
_DOCUMENT_TYPE = "/relationships/officeDocument"
_HIDDEN = "docqaHidden"
_HIDDEN_RULE = "<style>.docqa-hidden{display:none}</style>"
_STYLES = f"""
r.{_HIDDEN} => span.docqa-hidden
p[style-name='Title'] => h1:fresh
p[style-name='Subtitle'] => h2:fresh
p[style-name='Heading 7'] => h6:fresh
p[style-name='Heading 8'] => h6:fresh
p[style-name='Heading 9'] => h6:fresh
"""
_BODIES = ("document.xml", "footnotes.xml", "endnotes.xml", "comments.xml")
_STRUCTURE = ("styles.xml", "numbering.xml")
_SMALLEST_HALF_POINTS = 2
_WHITE = "FFFFFF"
_FRAMES_PER_ELEMENT = 8  # of mammoth's own recursion


def read(source: Source, canvas: Canvas) -> Iterable[Enclosed]:
    """Write the document's text; its first heading is the title."""
    sys.setrecursionlimit(max(sys.getrecursionlimit(), canvas.limits.depth * _FRAMES_PER_ELEMENT))
    slim = _slim(Archive(source, canvas.limits), canvas.limits.depth)
    result = mammoth.convert_to_html(
        slim,
        style_map=_STYLES,
        include_embedded_style_map=False,
        external_file_access=False,
        convert_image=_no_image,
        ignore_empty_paragraphs=True,
    )
    write_html(_HIDDEN_RULE + cast("str", result.value), canvas)
    return ()


def _no_image(_: object) -> list[object]:
    return []


def _slim(archive: Archive, depth: int) -> io.BytesIO:
    """A DOCX of the text alone, each part of it checked."""
    main = _main_part(archive, depth)
    folder, name = posixpath.split(main)
    slim = io.BytesIO()
    with zipfile.ZipFile(slim, "w") as parts:
        parts.writestr("_rels/.rels", _relation_to_document())
        for part in _BODIES + _STRUCTURE:
            path = posixpath.join(folder, name if part == "document.xml" else part)
            if path in archive.names:
                content = archive.part(path)
                xml_events.check([content], depth)
                content = content.replace(_STRICT, _TRANSITIONAL)
                parts.writestr(f"word/{part}", _with_hidden_marked(content) if part in _BODIES else content)
    return slim


def _main_part(archive: Archive, depth: int) -> str:
    content = archive.part("_rels/.rels")
    xml_events.check([content], depth)
    for relation in Tree.fromstring(content).iter(_RELATION):  # noqa: S314 (it was checked)
        if relation.get("Type", "").endswith(_DOCUMENT_TYPE):
            return relation.get("Target", "").lstrip("/")
    return "word/document.xml"


def _relation_to_document() -> str:
    return (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1"'
        ' Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"'
        ' Target="word/document.xml"/></Relationships>'
    )


def _with_hidden_marked(content: bytes) -> bytes:
    if not any(sign in content for sign in (b"vanish", b"FFFFFF", b"ffffff", b'w:sz w:val="1"', b'w:sz w:val="2"')):
        return content
    root = Tree.fromstring(content)  # noqa: S314 (it was checked)
    for properties in _properties(root):
        if _is_hidden(properties):
            style = properties.find(f"{_W}rStyle")
            if style is None:
                style = Tree.Element(f"{_W}rStyle")
                properties.insert(0, style)
            style.set(f"{_W}val", _HIDDEN)
    return cast("bytes", Tree.tostring(root, encoding="utf-8"))


def _properties(root: Tree.Element) -> Iterator[Tree.Element]:
    for run in root.iter(f"{_W}r"):
        properties = run.find(f"{_W}rPr")
        if properties is not None:
            yield properties


def _is_hidden(properties: Tree.Element) -> bool:
    vanish = properties.find(f"{_W}vanish")
    if vanish is not None and vanish.get(f"{_W}val", "true") not in ("0", "false", "off"):
        return True
    size = _value(properties, "sz")
    if size.isdigit() and int(size) <= _SMALLEST_HALF_POINTS:
        return True
    # White on a ground of its own is a heading of a table, most likely.
    has_ground = any(properties.find(f"{_W}{name}") is not None for name in ("shd", "highlight"))
    return _value(properties, "color").upper() == _WHITE and not has_ground


def _value(properties: Tree.Element, name: str) -> str:
    element = properties.find(f"{_W}{name}")
    return "" if element is None else element.get(f"{_W}val", "")
