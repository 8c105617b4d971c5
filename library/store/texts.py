"""Reads stretches of a version's text, with what begins in them."""

from typing import Any, TypeVar

import apsw
import msgspec

from contract.documents import Heading, Page, Span
from library.store.outline import Outline
from library.store.records import Stretch
from library.store.rows import query_all, query_one
from library.store.versions import unpack
from library.store.words import text_of

Part = TypeVar("Part", Page, Heading, Span)


def read(
    db: apsw.Connection, document: str, version: str, page: int, start: int, end: int | None, max_chars: int
) -> Stretch | None:
    """A stretch of at most `max_chars` code points; `version` empty: the newest; None: there is no such text."""
    row: Any = query_one(
        db,
        "SELECT v.ver, v.id, d.space, v.name, v.characters, v.page_count, v.outline, v.first, v.last FROM documents d"
        " JOIN versions v ON v.doc = d.doc WHERE d.id = ?1 AND d.state <> 'erasing' AND"
        " CASE WHEN ?2 = '' THEN v.ver = d.ver ELSE v.id = ?2 END",
        (document, version),
    )
    if row is None:
        return None
    ver, version, space, name, characters, page_count, packed, first, last = row
    outline = msgspec.msgpack.decode(packed, type=Outline)
    if page:
        if page > len(outline.pages):
            return None
        start, end = max(start, outline.pages[page - 1].start), min(end or characters, outline.pages[page - 1].end)
    start = min(start, characters)
    end = max(start, min(characters if end is None else end, characters, start + max_chars))
    return Stretch(
        document=document,
        version=version,
        space=space,
        name=name,
        text=text_of(db, ver, start, end) if end > start else "",
        start=start,
        end=end,
        characters=characters,
        page_count=page_count,
        pages=_within(outline.pages, start, end),
        headings=_within(outline.headings, start, end),
        hidden=_within(outline.hidden, start, end),
        sentences=_sentences(db, first, last, start, end),
    )


def page_end(db: apsw.Connection, document: str, version: str, page: int) -> int | None:
    """Where a page of a version ends; None: there is none."""
    packed = query_one(
        db,
        "SELECT v.outline FROM documents d JOIN versions v ON v.doc = d.doc WHERE d.id = ? AND v.id = ?",
        (document, version),
    )
    pages = msgspec.msgpack.decode(packed, type=Outline).pages if packed else ()
    return pages[page - 1].end if 0 < page <= len(pages) else None


def _within(parts: tuple[Part, ...], start: int, end: int) -> list[Part]:
    return [part for part in parts if part.start < end and part.end > start]


def _sentences(db: apsw.Connection, first: int, last: int, start: int, end: int) -> list[Span]:
    """Those of the passages that overlap a stretch; a replaced version has none any more."""
    rows = query_all(
        db,
        "SELECT start, sentences FROM passages WHERE passage BETWEEN ? AND ? AND start < ? AND end > ?",
        (first, last, end, start),
    )
    return [
        Span(begin + one.start, begin + one.end)
        for begin, packed in rows
        for one in unpack(packed)
        if begin + one.start < end and begin + one.end > start
    ]
