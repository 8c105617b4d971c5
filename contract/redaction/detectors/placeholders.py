"""Recognises placeholders: fillers, variables, words of documentation."""

import math
from collections import Counter

from contract.redaction.detectors.pattern import Pattern

_CASES = bytes(65 if 65 <= byte <= 90 else 97 for byte in range(256))
_FILLER = frozenset(b"xX*.#01_-?=")
_WORDS = Pattern(
    r"(?i)<[a-z][\w .-]{0,40}>|"
    r"example|your[_\- ]?|placeholder|change[_\-]?(?:me|it|this)|replace[_\-]?(?:me|this|with)|insert[_\-]|redacted"
    r"|dummy|(?:string|token|key|secret|password|value)[_-]?here|abcdefghijklmnopqrstuvwxyz_?-?0123456789|0123456789_?-?abcdefghijklmnopqrstuvwxyz|abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz|goes[_\-]?here|a-z(?:a-z|0-9)|a-f(?:a-f|0-9)|0-9a-[fz]|\[\^|\(\?[:i]|\btodo\b|fixme|not[_\-]?(?:set|real)|os\.environ|process\.env|getenv|secretref"
)
_REFERENCE = Pattern(
    # A variable, a template, a tag, a reference to a secret store.
    r"\$\{[^}]*\}?.*|\$\(.*|\$[A-Za-z_]\w*|\$[A-Z_]{3}[A-Z_]*.*|\{\{.*|<[^<>]*>?|%\w+%|%[sdr(].*|@\w+@|\[[^\]]*\]|\{\w*\}|#\{.*"
    r"|(?:arn:aws|vault:|ref\+|op://|file:/|https?://|env[:.]|secrets?\.).*|\.{0,2}/(?:[\w.-]+/)+[\w.-]*|[A-Za-z_][\w.]*(?:\[\w*\])+|[a-z_]\w*(?:\.\w+)+\(.*|ENC\[.*|!\w+"
)
_NAME = Pattern(
    r"[._/:#-]{0,2}(?:(?:[A-Za-z]+\d{0,3}|\d{1,3})[._/: -]{1,2})*"
    r"(?:[A-Za-z]+\d{0,3}|\d{1,3})?[._/:]{0,2}"
)
_SPOKEN_END = Pattern(r"[a-zA-Z](?:[_-](?:[a-z]{2,12}|[A-Z]{2,12}|[A-Z][a-z]{1,11})){4,}$")
_END_BYTES = 12
_RANDOM_BYTES = 24
_OF_WORDS = Pattern(r"[_a-z]{0,16}(?:[A-Z]{1,2}[a-z]{2,16}[0-9]?[._:|]{0,2}){2,}[A-Z_]{0,32}")
_NOTHING = frozenset(
    b"null none nil undefined true false default empty string str bytes text any required optional yes no on off"
    b" unknown anonymous disabled enabled value void password passwd pass pwd passphrase secret token key apikey"
    b" api_key api-key username user name prompt auto hidden masked self this function lambda return new".split()
)


def is_filler(token: bytes) -> bool:
    """Whether a token is a filler: it ends in `xxxx`, `aaaa` or words (`-my-bot-token`), or contains "example"."""
    end = token[-_END_BYTES:]
    if len(set(end)) <= 2 or _FILLER.issuperset(end):
        # A filler replaces the random part. After a complete token it is only appended: still a secret.
        return len(token.rstrip(end)) < _RANDOM_BYTES
    return _SPOKEN_END.is_in(token) or _WORDS.is_in(token)


def is_placeholder(value: bytes) -> bool:
    """True if a value is a placeholder, not a secret."""
    if _FILLER.issuperset(value) or len(set(value)) <= 2 or value.lower() in _NOTHING:
        return True
    return _REFERENCE.matches(value) or _WORDS.is_in(value)


def is_name(value: bytes) -> bool:
    """Whether a value is a name: words and small numbers, joined by signs (`user_token_v2`, `SalesResults-1.2`)."""
    return _NAME.matches(value) and (value.isupper() or turns_of_case(value) < 0.3 * len(value))


def is_of_words(value: bytes) -> bool:
    """Whether letters are words with capitals: `HttpBearerAuthConfig`."""
    return _OF_WORDS.matches(value)


def turns_of_case(value: bytes) -> int:
    """How often the case changes: at every second letter of a random text, far less in `aNameOfManyWords`."""
    cases = value.translate(_CASES)
    return cases.count(b"Aa") + cases.count(b"aA")


def digits_in(value: bytes) -> int:
    """How many digits a value has."""
    return len(value) - len(value.translate(None, b"0123456789"))


def entropy_bits(value: bytes) -> float:
    """Shannon's entropy of a value's bytes, in bits for each."""
    size = len(value)
    return -sum(count / size * math.log2(count / size) for count in Counter(value).values())
