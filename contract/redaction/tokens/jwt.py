"""Finds JSON Web Tokens (RFC 7519): a header and claims that are JSON, in base64url, signed or not."""

import binascii
import re
from collections.abc import Iterator

from contract.redaction.detectors.pattern import Pattern
from contract.redaction.detectors.text import Span, Text

_BEGINNING = Pattern("yJ")
# Possessive, and not after such a letter, so that each letter is read once.
_JWT = re.compile(
    rb"eyJ(?<![A-Za-z0-9_-]eyJ)[A-Za-z0-9_-]{8,}+\.(?:eyJ[A-Za-z0-9_-]{8,}+(?:\.[A-Za-z0-9_/+-]*+=*+)?|[A-Za-z0-9_-]*+\.[A-Za-z0-9_-]*+\.[A-Za-z0-9_-]*+\.[A-Za-z0-9_-]++)"
)


def find(text: Text) -> Iterator[Span]:
    source = text.source
    if not text.searcher(_BEGINNING)(0):
        return
    for match in _JWT.finditer(source):
        if is_json(match.group().partition(b".")[0]):
            yield Span(match.start(), match.end(), "jwt")


def is_json(part: bytes, beginning: bytes = b'{"') -> bool:
    """Whether the first letters of this base64url are the beginning of a JSON object."""
    first = part[:24]
    try:
        decoded = binascii.a2b_base64(first.translate(_STANDARD) + b"=" * (-len(first) % 4))
    except binascii.Error:
        return False
    return decoded.startswith(beginning) and all(32 <= byte < 127 or byte in b"\t\r\n" for byte in decoded)


_STANDARD = bytes.maketrans(b"-_", b"+/")
