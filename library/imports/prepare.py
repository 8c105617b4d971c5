"""Makes a version of a reading: sanitized, cut and indexed, ready to be stored. Pure; knows no process and no store."""

import hashlib
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from contract.documents import Heading, Page, Span, version_id
from contract.redaction.redactor import KEPT, Redactor
from contract.settings import RedactionSettings
from library.imports.cutting import cut
from library.imports.redaction import RULES, redact
from library.store.records import Prepared

READER: Final = "2"
"""Of what `library.readers` make of a file, and of how it is cut: another number reads every document anew."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was read: its text as it is, with what the reader knows of it. Nothing of it is kept."""

    name: str
    sha256: str
    media_type: str
    title: str
    text: str
    pages: tuple[tuple[int, int], ...] = ()
    headings: tuple[tuple[int, int, int], ...] = ()
    """Start, end, level."""
    hidden: tuple[tuple[int, int], ...] = ()
    labels: tuple[str, ...] = ()
    """Of the pages, in their order; empty: none has one."""
    ocr_pages: frozenset[int] = frozenset()
    """Numbers of the pages that were read from images."""
    pages_without_text: tuple[int, ...] = ()


class Rules(NamedTuple):
    """What is taken out of texts, and the name of this choice."""

    redactor: Redactor
    name: str


def rules_of(settings: RedactionSettings) -> Rules:
    """Compiled; the name changes with whatever would change a text. Raises SettingsError."""
    own = Path(settings.redaction_rules).read_bytes() if settings.redaction_rules else b""
    digest = hashlib.sha256("\0".join((RULES, settings.redact or "", *sorted(KEPT))).encode() + own)
    return Rules(settings.redactor(), digest.hexdigest()[:16])


def prepare(source: Source, rules: Rules) -> Prepared:
    """A version of a file, all offsets in its canonical text."""
    marks = sorted({place for spans in (source.pages, source.headings, source.hidden) for place in _ends(spans)})
    text, moved, counts = redact(source.text, rules.redactor, marks)
    at = dict(zip(marks, moved, strict=True))
    given = source.labels or ("",) * len(source.pages)
    labels = [redact(label, rules.redactor, []).text if label else "" for label in given]
    pages = tuple(
        Page(number, at[start], at[end], label, number in source.ocr_pages)
        for number, ((start, end), label) in enumerate(zip(source.pages, labels, strict=True), 1)
    )
    hidden = tuple(Span(at[start], at[end]) for start, end in source.hidden)
    title = redact(source.title, rules.redactor, []).text
    return Prepared(
        version=version_id(source.sha256, READER, rules.name),
        sha256=source.sha256,
        reader=READER,
        rules=rules.name,
        media_type=source.media_type,
        title=title,
        text=text,
        pages=pages,
        headings=tuple(Heading(level, at[start], at[end]) for start, end, level in source.headings),
        hidden=hidden,
        pages_without_text=source.pages_without_text,
        redactions=counts,
        passages=cut(text, source.name, title, pages, hidden),
    )


def _ends(spans: tuple[tuple[int, ...], ...]) -> list[int]:
    return [place for span in spans for place in span[:2]]
