"""Finds phone numbers, where it is asked for: international, North American, any beside a word that says so."""

import re
from collections.abc import Iterator

from contract.redaction.detectors.text import Text
from contract.redaction.span import Span

_GAP = rb"(?:[ .\-/]|\xc2\xa0)"
_PHONE = re.compile(
    rb"(?<![\w+.-])(?:"
    rb"(?P<world>(?:\+|00)[1-9]\d{0,2}"
    + _GAP
    + rb"?(?:\(\d{1,4}\)"
    + _GAP
    + rb"?)?\d{1,5}(?:"
    + _GAP
    + rb"?\d{1,5}){1,5})"
    rb"|(?P<america>(?:1[ .-])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[.-])[2-9]\d{2}[ .-]\d{4})"
    rb"|(?P<other>\(?0\d{1,5}\)?" + _GAP + rb"{0,3}\d{2,8}(?:" + _GAP + rb"\d{2,6}){0,4})"
    rb")(?![\w-]|\.\d)"
)
_CONTEXT = re.compile(rb"(?i)tel|phone|fon|mobil|cell|fax|call|ruf|whatsapp|handy|sms")
_CONTEXT_BYTES = 32
_DIGITS = bytes(byte for byte in range(256) if not 48 <= byte <= 57)


def find(text: Text) -> Iterator[Span]:
    source = text.source
    for match in _PHONE.finditer(source):
        digits = len(match.group().translate(None, _DIGITS))
        if not 7 <= digits <= 15 or (match["world"] and digits < 8):
            continue
        before = max(0, match.start() - _CONTEXT_BYTES)
        if match["other"] and not _CONTEXT.search(source, before, match.start()):
            continue
        yield Span(match.start(), match.end(), "phone")
