"""Finds passwords in URLs and connection strings, `scheme://user:password@host`: only the password is taken."""

import re
from collections.abc import Iterator

from contract.redaction.detectors.pattern import Pattern
from contract.redaction.detectors.placeholders import is_placeholder
from contract.redaction.detectors.secret_values import is_plainly_random
from contract.redaction.detectors.text import Span, Text

_SIGN = Pattern("://")
"""A filter before the full pattern; RE2 finds three bytes ten times as fast as `in` does."""
_USERINFO = re.compile(
    rb"://(?P<user>[^\s/:@\"'<>?#\\]{0,256}+):(?P<value>[^\s/@\"'<>\\`]{1,512}+(?:@[^\s/@\"'<>\\`]{1,128}+(?=@))*+)@(?=[\w\[$({<%])"
)
_TOKEN = re.compile(rb"://(?P<value>[A-Za-z0-9_-]{20,256}+)@(?!\w{1,32}\.ingest\.)")
"""A user without a password may be a token; before a host of Sentry's (`….ingest.…`) it is a public key."""
_USERS = frozenset((b"user", b"username", b"login", b"name"))
_WORDS = frozenset((b"password", b"pass", b"passwd", b"pwd", b"secret", b"token"))


def find(text: Text) -> Iterator[Span]:
    source = text.source
    if not _SIGN.is_in(source):
        return
    for match in _USERINFO.finditer(source):
        value = match["value"]
        # In a URL even the word `password` is a password, except after `user`.
        is_word = value.lower() in _WORDS
        if match["user"].lower() not in _USERS if is_word else not is_placeholder(value):
            yield Span(*match.span("value"), "url-password")
    for match in _TOKEN.finditer(source):
        if is_plainly_random(match["value"]):
            yield Span(*match.span("value"), "url-password")
