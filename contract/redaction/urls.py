"""Finds passwords in URLs and connection strings, `scheme://user:password@host`: only the password is taken."""

import re
from collections.abc import Iterator

from contract.redaction.placeholder import is_placeholder
from contract.redaction.span import Span
from contract.redaction.text import Text

_USERINFO = re.compile(
    rb"://(?P<user>[^\s/:@\"'<>?#\\]{0,256}+):(?P<value>[^\s/@\"'<>\\`]{1,512}+(?:@[^\s/@\"'<>\\`]{1,128}+(?=@))*+)@(?=[\w\[$({<%])"
)
_WORDS = frozenset((b"password", b"pass", b"passwd", b"pwd", b"secret", b"token"))


def find(text: Text) -> Iterator[Span]:
    source = text.source
    if b"://" not in source:
        return
    for match in _USERINFO.finditer(source):
        value = match["value"]
        # In a URL even the word `password` stands where a password stands.
        if value.lower() in _WORDS or not is_placeholder(value):
            yield Span(*match.span("value"), "url-password")
