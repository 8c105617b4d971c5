"""Finds private keys in PEM and its relatives: on many lines, on one with written `\\n`, encrypted, or cut off."""

import re
from collections.abc import Iterator

from contract.redaction.detectors.text import Span, Text

_BEGIN = re.compile(rb"-{4,5} ?BEGIN[ A-Z0-9_]{0,40}PRIVATE KEY(?: BLOCK)? ?-{4,5}")
_WORDS = b"PRIVATE KEY"
_BEFORE_BYTES = 51
_AFTER_BYTES = 23
"""How far before and after the words PRIVATE KEY a key's first line may begin and end."""
_END = re.compile(rb"-{4,5} ?END[ A-Z0-9_]{0,40}KEY(?: BLOCK)? ?-{4,5}")
_BODY = re.compile(rb"(?:[A-Za-z0-9+/=:,.;()_<>&#\s\\\"'|*]|-(?!-))*+")
# After a header that is only mentioned come words; after the header of a truncated key comes base64.
_CUT_OFF = re.compile(
    rb"(?:(?:\\r|\\n|\s|[\"'+,])*+(?:[A-Z][A-Za-z-]{3,14}: [^\n]*+|[A-Za-z0-9+/]{20,}+=*+"
    rb"|(?:MI|lQ|b3)[A-Za-z0-9+/]{2,}+=*+"
    rb"|(?<=[A-Za-z0-9+/]{20}\n)[A-Za-z0-9+/]{1,20}+=*+|=[A-Za-z0-9+/]{4}\s))*+\n?"
)


def find(text: Text) -> Iterator[Span]:
    source = text.source
    position = 0
    while begin := _begin(source, position):
        position = _end(source, begin.end())
        if position > begin.end():
            yield Span(begin.start(), position, "private-key")


def _begin(source: bytes, position: int) -> "re.Match[bytes] | None":
    """The next first line of a key. A search for its two words is faster than one that stops at every dash."""
    word = position
    while (word := source.find(_WORDS, word)) >= 0:
        if begin := _BEGIN.search(source, max(position, word - _BEFORE_BYTES), word + _AFTER_BYTES):
            # The window may have cut off the last dash of another first line.
            return _BEGIN.match(source, begin.start())
        word += len(_WORDS)
    return None


def _end(source: bytes, start: int) -> int:
    """Where the key whose first line ends at `start` ends; `start` itself if no key follows."""
    body = _BODY.match(source, start)
    stop = body.end() if body else start
    end = _END.match(source, stop)
    if end and source[start:stop].strip():
        return end.end()
    rest = None if source[start : start + 1] == b"-" else _CUT_OFF.match(source, start)
    return rest.end() if rest and rest.group().strip() else start
