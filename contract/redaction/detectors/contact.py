"""Finds e-mail addresses, for deployments that ask for it."""

import re
from collections.abc import Iterator

from contract.redaction.detectors.text import Text
from contract.redaction.span import Span

_EMAIL = re.compile(
    rb"(?<![\w.%+\x80-\xff-])[\w.%+\x80-\xff-]{1,64}+@(?:[A-Za-z0-9\x80-\xff][A-Za-z0-9\x80-\xff-]{0,62}+\.){1,8}[A-Za-z]{2,24}(?![\w-])"
)
_RESERVED = re.compile(rb"(?i)@(?:.*\.)?example\.(?:com|org|net)$|@.*\.(?:png|jpe?g|gif|svg|webp)$")


def find(text: Text) -> Iterator[Span]:
    source = text.source
    if b"@" not in source:
        return
    for match in _EMAIL.finditer(source):
        # RFC 2606 keeps these names for documentation, and `logo@2x.png` is a file.
        if not _RESERVED.search(match.group()):
            yield Span(match.start(), match.end(), "email")
