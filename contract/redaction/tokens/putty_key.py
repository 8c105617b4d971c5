"""Finds the private part of PuTTY's key files (PPK, versions 1 to 3): its lines, and the code that authenticates it.

The public lines and the comment stay. Sources: PuTTY's manual, appendix C.
"""

import re
from collections.abc import Iterator
from typing import Final

from contract.redaction.detectors.text import Span, Text

_WORDS = b"Private-Lines:"
_LINE_END: Final = rb"(?:\\r|\\n|\s|[>\"'+,])++"
_LINE: Final = rb"[A-Za-z0-9+/]{4,}={0,2}"
_LINES = re.compile(
    rb"Private-Lines:[ \t]*+[0-9]{1,4}" + _LINE_END + rb"(?P<key>(?:" + _LINE + _LINE_END + rb")*+" + _LINE + rb")"
)
_CODE = re.compile(_LINE_END + rb"Private-(?:MAC|Hash):[ \t]*+(?P<code>[0-9A-Fa-f]{32,64})")


def find(text: Text) -> Iterator[Span]:
    source = text.source
    position = source.find(_WORDS)
    while position >= 0:
        end = position + len(_WORDS)
        if lines := _LINES.match(source, position):
            start, end = lines.span("key")
            # The lines' pattern may take in the first word of what follows them.
            end = start + len(_without_next_field(source[start:end]))
            yield Span(start, end, "private-key")
            if code := _CODE.match(source, end):
                yield Span(*code.span("code"), "private-key")
                end = code.end()
        position = source.find(_WORDS, end)


def _without_next_field(lines: bytes) -> bytes:
    at = lines.rfind(b"Private")
    return lines if at < 0 else re.sub(_LINE_END + rb"\Z", b"", lines[:at])
