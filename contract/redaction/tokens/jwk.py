"""Finds the private members of JSON Web Keys (RFC 7517, RFC 7518 section 6) and of .NET's RSAKeyValue in XML.

`d` and the primes of a key pair, and the `k` of a symmetric key; the public members stay.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from contract.redaction.detectors.text import Span, Text

_TYPE = b"kty"
_FAR_BYTES = 8192
"""How far from its type a key's members are looked for: an RSA key of 8192 bits has some 6,000 characters."""
_IS: Final = rb"\\{0,2}[\"']?[ \t]*+[:=][ \t\r\n]*+\\{0,2}[\"']?"
_MEMBER = re.compile(rb"(?<![\w-])(?P<name>d|p|q|dp|dq|qi|k|r|t|priv)" + _IS + rb"(?P<value>[A-Za-z0-9_-]{16,}+={0,2})")
_KEY_TYPE = re.compile(rb"(?<![\w-])kty" + _IS + rb"(?:RSA|EC|OKP|oct|AKP)\b")
_XML = b"RSAKeyValue>"
_XML_MEMBER = re.compile(rb"<(?P<name>P|Q|DP|DQ|InverseQ|D)>\s*+(?P<value>[A-Za-z0-9+/=\s]{16,}+)</(?P=name)>")


def find(text: Text) -> Iterator[Span]:
    source = text.source
    if _TYPE in source:
        yield from _in_json(source)
    if _XML in source:
        for match in _XML_MEMBER.finditer(source):
            yield Span(*match.span("value"), "private-key")


def _in_json(source: bytes) -> Iterator[Span]:
    position = 0
    types = [match.span() for match in _KEY_TYPE.finditer(source)]
    for (at, behind), (following, _) in pairwise((*types, (len(source), len(source)))):
        start = _beginning(source, at, position)
        # No further than the next key's type, so that each byte is read once.
        position = _end(source, behind, following)
        for member in _MEMBER.finditer(source, start, position):
            yield Span(*member.span("value"), "private-key")


def _beginning(source: bytes, at: int, least: int) -> int:
    """Where the object begins whose type is at `at`: at its brace, in YAML after the last blank line."""
    least = max(least, at - _FAR_BYTES)
    return max(source.rfind(b"{", least, at), source.rfind(b"\n\n", least, at), least)


def _end(source: bytes, at: int, most: int) -> int:
    most = min(most, at + _FAR_BYTES)
    ends = (source.find(mark, at, most) for mark in (b"}", b"\n\n"))
    return min((end for end in ends if end >= 0), default=most)
