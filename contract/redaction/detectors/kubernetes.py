"""Finds the values of Kubernetes Secrets: base64 under `data`, anything under `stringData`, in YAML and JSON.

Their names say nothing and base64 hides what they are: that the manifest is a Secret says all.
"""

import binascii
import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from contract.redaction.detectors.pattern import Pattern
from contract.redaction.detectors.placeholders import is_placeholder
from contract.redaction.detectors.text import Span, Text

_KIND: Final = "kubernetes-secret"
_KIND_OF = Pattern("kind")
# Marks: the beginning of a manifest, or its `kind`.
_MARK = Pattern(r"(?i)(?:^|\n)---|[\"']?\bkind[\"']?[ \t]{0,4}:[ \t]{0,4}[\"']?[a-z]{1,40}")
_SECRET = Pattern(r"kind[\"']?[ \t]{0,4}:[ \t]{0,4}[\"']?(?:Secret|secret)")
_IS_SECRET = Pattern(r"(?i).*:[ \t]*[\"']?secret")
_NEAR = Pattern(r"(?:^|[\n{,])[ \t]{0,80}[\"']?(?:data|stringData)[\"']?[ \t]{0,80}:")
_FIELD = re.compile(
    rb"(?:^|[\n{,])(?P<indent>[ \t]*+)[\"']?(?P<name>data|stringData)[\"']?[ \t]*+:[ \t]*+(?P<open>\{|\r?\n)"
)
_LINE = re.compile(
    rb"(?P<indent>[ \t]*+)(?:#[^\n]*+|[\"']?[\w.-]{1,253}+[\"']?[ \t]*+:[ \t]*+(?P<block>[|>][-+0-9]*+(?=\s))?"
    rb"(?P<value>[^\n\r]*+))?\r?(?:\n|\Z)"
)
_BLANKS = re.compile(rb"(?:[ \t\r]*+\n)++")
_PAIR = re.compile(rb"\s*+,?\s*+\"[^\"\n]{1,253}+\"\s*+:\s*+\"(?P<value>[^\"\\]*+(?:\\.[^\"\\]*+)*+)\"")


def find(text: Text) -> Iterator[Span]:
    source = text.source
    if not _KIND_OF.is_in(source) or b"ata" not in source or not text.searcher(_SECRET)(0):
        return
    marks = list(_marks(text))
    near = list(_near(text))
    for number, (_, _, is_secret) in enumerate(marks):
        if is_secret:
            begin = marks[number - 1][1] if number else 0
            end = marks[number + 1][0] if number + 1 < len(marks) else len(source)
            yield from _values(source, near[bisect_left(near, begin) : bisect_left(near, end)], end)


def _marks(text: Text) -> Iterator[tuple[int, int, bool]]:
    """Start and end of each mark, and whether it is `kind: Secret`."""
    source, search = text.source, text.searcher(_MARK)
    position = 0
    while found := search(position):
        yield *found, _IS_SECRET.matches(source[found[0] : found[1]].strip())
        position = found[1]


def _near(text: Text) -> Iterator[int]:
    """Where a field may begin."""
    position, search = 0, text.searcher(_NEAR)
    while found := search(position):
        yield found[0]
        position = found[1]


def _values(source: bytes, near: list[int], end: int) -> Iterator[Span]:
    """The values of a manifest's fields; its `kind: Secret` may come before or after them."""
    for field in filter(None, (_FIELD.match(source, start, end) for start in near)):
        is_plain = field["name"] == b"stringData"
        entries = _in_json(source, field.end(), end) if field["open"] == b"{" else _in_yaml(source, field, end)
        for start, stop in entries:
            value = source[start:stop]
            if value and not is_placeholder(value) and (is_plain or _is_base64(value)):
                yield Span(start, stop, _KIND)


def _in_json(source: bytes, position: int, end: int) -> Iterator[tuple[int, int]]:
    while pair := _PAIR.match(source, position, end):
        yield pair.span("value")
        position = pair.end()


def _in_yaml(source: bytes, field: "re.Match[bytes]", end: int) -> Iterator[tuple[int, int]]:
    """Each entry's value: the lines that are indented more than the field; a block scalar is one value."""
    least = len(field["indent"])
    block: tuple[int, int, int] | None = None
    position = field.end()
    while position < end:
        if blanks := _BLANKS.match(source, position, end):
            position = blanks.end()
            continue
        line_end = source.find(b"\n", position, end) + 1 or end
        text = source[position:line_end].strip()
        indent = len(source[position:line_end]) - len(source[position:line_end].lstrip(b" \t"))
        if text and indent <= least:
            break
        if block and (not text or indent > block[0]):
            block = (block[0], block[1], line_end if text else block[2])
        else:
            if block and block[1] < block[2]:
                yield _trimmed(source, block[1], block[2])
            block = None
            entry = _LINE.match(source, position, line_end)
            if entry and entry["block"]:
                block = (indent, line_end, line_end)
            elif entry and entry["value"]:
                yield _unquoted(source, *_trimmed(source, *entry.span("value")))
        position = line_end
    if block and block[1] < block[2]:
        yield _trimmed(source, block[1], block[2])


def _unquoted(source: bytes, start: int, end: int) -> tuple[int, int]:
    first = source[start : start + 1]
    is_quoted = end - start > 1 and first in (b"'", b'"') and source[end - 1 : end] == first
    return (start + 1, end - 1) if is_quoted else (start, end)


def _trimmed(source: bytes, start: int, end: int) -> tuple[int, int]:
    text = source[start:end]
    return start + len(text) - len(text.lstrip()), end - (len(text) - len(text.rstrip()))


def _is_base64(value: bytes) -> bool:
    compact = value.translate(None, b" \t\r\n")
    if len(compact) < 4 or len(compact) % 4:
        return False
    try:
        return bool(binascii.a2b_base64(compact, strict_mode=True))
    except binascii.Error:
        return False
