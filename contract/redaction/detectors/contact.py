"""Finds e-mail addresses and phone numbers, for deployments that ask for them."""

import re
from collections.abc import Iterator

from contract.redaction.detectors.text import Span, Text

_EMAIL = re.compile(
    rb"(?<![\w.%+\x80-\xff-])[\w.%+\x80-\xff-]{1,64}+@(?:[A-Za-z0-9\x80-\xff][A-Za-z0-9\x80-\xff-]{0,62}+\.){1,8}[A-Za-z]{2,24}(?![\w-])"
)
_RESERVED = re.compile(rb"(?i)@(?:.*\.)?example\.(?:com|org|net)$|@.*\.(?:png|jpe?g|gif|svg|webp)$")


def find_emails(text: Text) -> Iterator[Span]:
    source = text.source
    if b"@" not in source:
        return
    for match in _EMAIL.finditer(source):
        # RFC 2606 keeps these names for documentation, and `logo@2x.png` is a file.
        if not _RESERVED.search(match.group()):
            yield Span(match.start(), match.end(), "email")


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


def find_phones(text: Text) -> Iterator[Span]:
    source = text.source
    for match in _PHONE.finditer(source):
        digits = len(match.group().translate(None, _DIGITS))
        if not 7 <= digits <= 15 or (match["world"] and digits < 8):
            continue
        before = max(0, match.start() - _CONTEXT_BYTES)
        if match["other"] and not _CONTEXT.search(source, before, match.start()):
            continue
        yield Span(match.start(), match.end(), "phone")
