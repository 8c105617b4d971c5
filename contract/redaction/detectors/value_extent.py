"""Where the value of a setting ends: at its closing quote, or with its word."""

import re
from typing import Final, NamedTuple

VALUE_BYTES: Final = 4096
"""Longer values are cut here."""

_NESTED = {b"'\"": b"\"'", b"\"'": b"'\"", b'"\\"': b'\\""', b"'\\'": b"\\''"}
_BRACKETS = ((b"(", b")"), (b"[", b"]"), (b"{", b"}"))
_UNQUOTED_SECRET = re.compile(rb"[^\s\"'`<>;&|,\\(){}\[\]]+")
_UNQUOTED_PASSWORD = re.compile(
    rb"(?:[^\s\"'`;&\\]"
    # `&` and `;` end a value only if another parameter, statement or entity follows.
    rb"|&(?!&|\s|[\w.%\[\]-]{1,40}=|[a-z]{2,8};|\Z)|;(?!\s|[\w .-]{1,40}=|\Z)"
    rb"|(?<=\w)['`](?=\w)|\\(?![\"'nrtux0\\\s]|\Z))+"
)
_AHEAD_BYTES: Final = 48
"""How far beyond a password's end the pattern reads to know that it is the end."""
_CLOSED = {mark: re.compile(rb"(?:[^\\\n%b]|\\.)*+%b" % (mark, mark)) for mark in (b'"', b"'", b"`")}
"""Up to the closing quote, which is not escaped, on the same line."""


class Extent(NamedTuple):
    """Where a value ends, and up to where the text was read to decide (byte offsets)."""

    end: int
    read: int


def quoted(source: bytes, quote: tuple[int, int]) -> Extent:
    """The extent of a value after this opening quote; its end is -1 if the quote is not closed on its line."""
    start = quote[1]
    mark = source[quote[0] : start].lstrip(b"bBrRuUfF")
    # For `'"…"'` the closing quotes are in reverse order.
    mark = _NESTED.get(mark, mark)
    limit = min(start + VALUE_BYTES, len(source))
    if closed := _CLOSED.get(mark):
        match = closed.match(source, start, limit)
        end = match.end() - 1 if match else -1
    else:
        end = source.find(mark, start, limit)
    line_end = source.find(b"\n", start, limit if end < 0 else end)
    if line_end >= 0:
        return Extent(-1, line_end + 1)
    return Extent(end, limit + 1 if end < 0 else end + len(mark))


def unquoted(source: bytes, start: int, is_password: bool, sign: bytes, most: int) -> Extent:
    """The extent of a value after this sign, cut at `most` bytes."""
    found = (_UNQUOTED_PASSWORD if is_password else _UNQUOTED_SECRET).match(source, start, start + most)
    if not found:
        return Extent(start, start + _AHEAD_BYTES)
    value = found.group()
    if sign.endswith(b">") or b"</" in value:
        value = value.partition(b"<")[0]
    if sign.lower() == b"%3d":
        value = value.partition(b"%26")[0]
    value = value.partition(b"]]>")[0]
    if b"," in value and b"=" in value.partition(b",")[2]:
        value = value.partition(b",")[0]
    value = value.rstrip(b",.:" if is_password else b",.!?:")
    for opened, closed in _BRACKETS:
        if value.endswith(closed) and opened not in value:
            value = value.rstrip(closed)
    return Extent(start + len(value), found.end() + (_AHEAD_BYTES if is_password else 1))
