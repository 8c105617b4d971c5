"""Finds the values of settings that are named like secrets: `key = value` in all the ways that people write it.

Environment files, YAML, JSON, INI, XML, code, shell, connection strings, and what somebody tells in a sentence.
A name alone proves nothing: the value must look drawn (`contract.redaction.values`), and a password, which may be any
word, must at least be no placeholder and no code.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from contract.errors import TooManySecretsError
from contract.redaction import values
from contract.redaction.pattern import Pattern
from contract.redaction.span import Span

_SPOKEN = "pass(?:word|wd|phrase|code|wort)|passwd|pwd|contrase(?:n|ñ)a|senha|kennwort|mot_de_passe"
_NAMES = (
    r"secret|token|api[_.\- ]?key|auth|credential|creds|private[_.\- ]?key|access[_.\- ]?key|pass|signature|license|"
    r"accountkey|sonar[_.]?login|key|pw|pat\b|sig\b"
)
_NAME_REST = r"[\w.\-]{0,24}"
_CLOSE = r"(?:\\{0,2}[\"'`]|[\])}]|</(?:key|name|string)>\s{0,8}<(?:string|value)){0,3}"
_TYPE = (
    r"(?:\[\d{0,4}\]|\s{0,2}:?\s{1,2}(?:&?'?(?:static )?str(?:ing)?|String|char|text|NSString|Optional\[str\]|any)"
    r"[?*]?(?:\[\d{0,4}\])?)?"
)
_OPERATOR = (
    # `"name": "PASSWORD", "value": "…"`, and the same in XML and YAML, goes before the bare comma and the bare space.
    r"(?:,?\s{1,16}|,)[\"']?value[\"']?\s{0,2}[=:]\s{0,2}"
    r"|\s{0,20}(?:=>|->|:{1,3}=|={1,3}|!={1,2}|[?.+]=|\?{2}=|\|\||:)\s{0,4}(?:[>|][-+]?\s{1,8})?"
    r"|\s{0,2}[,>]\s{0,8}|\(|\.assign\("
    r"|[ \t]{1,3}(?:is|was|ist|lautet)[ \t:]{1,3}"  # codespell:ignore ist
    r"|[ \t]{1,3}"
)
_QUOTE = r"[bBrRuUfF]{0,2}\\{0,2}(?:\"\"\"|'''|[\"'`])"
_ANY = Pattern(
    rf"(?i)(?:{_SPOKEN}|{_NAMES}){_NAME_REST}{_CLOSE}{_TYPE}(?:{_OPERATOR})"
    # Enough of a value that a text of names and signs alone is no text of candidates.
    rf"@?(?:{_QUOTE}[^\"'`\s][^\"'`\n]{{2}}|[^\s\"'`=:,;<>&|\\(){{}}\[\]]{{5}})"
)
_PARTS = Pattern(rf"(?i)({_SPOKEN}|{_NAMES})({_NAME_REST})({_CLOSE}){_TYPE}({_OPERATOR})@?((?:{_QUOTE})?)")
_PARTS_BYTES = 160
_VALUE_BYTES = 2048
_JUDGED_BYTES = 256
"""So much of a value without quotes is judged; if it is a secret, all of it goes."""

_FEW_NAMES = 500
_BYTES_A_NAME = 64
"""A text that names a secret more often than so is none that people write, and would take long."""

_IS_PASSWORD = Pattern(rf"(?i){_SPOKEN}|(?:^|[^a-z])(?:pass|pw)(?:$|[^a-z])")
_BENIGN_NAME = Pattern(
    r"(?i)(?:^|[^a-z])(?:public|pub|primary|foreign|sequence|schema|cache|sort|hash|partition|bucket|idx|index|natural|hot|issuer|object|"
    r"translation|i18n|locale|row|group|map|dict|lookup|unique|composite|csrf|xsrf|next|continuation|page|cursor|host|known|"
    r"registry|event|metric|shortcut|search|query|filter|answer|max|min|num|total|idempotency|partition|range|document)"
    r"[_.\-]?(?:keys?|tokens?)|access(?:ibility|or|_?id)|public|^keys?$"
)
_BENIGN_REST = Pattern(
    r"(?i)(?:.*[_.\-])?(?:ids?|names?|length|len|size|files?|filename|paths?|dir|url|uri|endpoint|types?|fields?|label|hint|"
    r"regex|pattern|policy|count|limit|expir\w*|expires_?(?:at|in)|ttl|lifetime|version|alias|format|algorithm|alg|prefix|"
    r"suffix|header|params?|manager|provider|reset|required|min|max|text|message|errors?|title|description|class|selector|"
    r"event|audience|scopes?|issuer|store|ring|pair|codes?|frame|words?|board|press(?:ed)?|down|up|left|right|map|mesh|schema|"
    r"service|client|handler|method|mode|status|state|index|column|table|columns|source|ref|arn|location|usage|input|stone|"
    r"output|tags?|group|env|var|variable|placeholder|prompt|strength|rules|checksum|fingerprint|server|domain|storetype|"
    r"created|updated|date|rotation|enabled|disabled|verified|changed|valid|validity|info|meta|metadata|signature|signatures|"
    r"usages|vault|operator|bindings?|vaultid|vaultname)"
)
_STRONG = Pattern(
    r"(?i)secret|token|api[_.\- ]?key|private|access[_.\- ]?key|cred|auth|account|encrypt|sign|master|admin"
)
_AWS_SECRET = Pattern(r"[A-Za-z0-9/+]{40}")
_AZURE_KEY = Pattern(r"[A-Za-z0-9/+]{86}==")
_LEFT_OF_NAME = re.compile(rb"[\w.$-]*\Z")
_UNQUOTED_SECRET = re.compile(rb"[^\s\"'`<>;&|,\\(){}\[\]]+")
_UNQUOTED_PASSWORD = re.compile(rb"[^\s\"'`;&\\]+")


class _Name(NamedTuple):
    """What a value is called: all of it, and whether that is a password's name."""

    text: bytes
    is_password: bool


def find(source: bytes) -> Iterator[Span]:
    """All values that are secrets, from left to right."""
    position = 0
    left = _FEW_NAMES + len(source) // _BYTES_A_NAME
    while found := _ANY.search(source, position):
        left -= 1
        if left < 0:
            raise TooManySecretsError("The text names secrets too often to look at each: send it in parts.")
        parts = _PARTS.groups(source, found[0], min(found[0] + _PARTS_BYTES, len(source)))
        if parts is None:
            position = found[0] + 2
            continue
        position = max(parts[4][1], found[0] + 2)
        if span := _judge(source, parts):
            yield span
            position = span.end


def _judge(source: bytes, parts: list[tuple[int, int]]) -> Span | None:
    """The value that follows a name, if it is a secret."""
    _, keyword, rest, _, operator, quote = parts
    if _goes_on(source, keyword[1], rest) or _is_only_spoken_of(source, keyword, operator, quote):
        return None
    start = quote[1]
    end = _quoted_end(source, quote) if quote[0] < quote[1] else -1
    name = _name(source, keyword, rest)
    if name is None:
        return None
    if end >= 0:
        is_secret = values.is_quoted_secret(source[start:end], name.is_password, _is_strong(name))
    else:
        if quote[0] < quote[1] or not _takes_unquoted(source, keyword[0], operator, name):
            return None
        sign = source[operator[0] : operator[1]].strip()
        end = _unquoted_end(source, start, name.is_password, sign, _JUDGED_BYTES)
        is_secret = values.is_unquoted_secret(source, start, end, name.is_password, _is_strong(name))
        if is_secret and end - start > _JUDGED_BYTES - 8:
            end = _unquoted_end(source, start, name.is_password, sign, len(source))
    return Span(start, end, _kind(name, source[start:end])) if is_secret else None


def _is_only_spoken_of(
    source: bytes, keyword: tuple[int, int], operator: tuple[int, int], quote: tuple[int, int]
) -> bool:
    """`the token expires`: a name and a word, with nothing between that says that one is the other's value."""
    if quote[0] < quote[1] or source[operator[0] : operator[1]].strip():
        return False
    word = source[keyword[0] : keyword[1]].lower()
    return not word.startswith((b"pass", b"pwd")) and b"-" not in source[max(0, keyword[0] - 24) : keyword[0]]


def _goes_on(source: bytes, end: int, rest: tuple[int, int]) -> bool:
    """Whether the keyword is the beginning of another word: `tokenizer`, `KEYWORD`, `passenger`."""
    after = source[end : rest[1]]
    if not after[:1].isalpha() or after[:2].rstrip(b"_.-").lower() in (b"s", b"e", b"d"):
        return False
    return source[end - 1 : end].isupper() == after[:1].isupper()


def _name(source: bytes, keyword: tuple[int, int], rest: tuple[int, int]) -> _Name | None:
    """All of a name; None: it is no secret's."""
    left = _LEFT_OF_NAME.search(source[max(0, keyword[0] - 48) : keyword[0]])
    before = left.group() if left else b""
    word = source[keyword[0] : keyword[1]]
    is_camel = word[:1].isupper() and word[1:2].islower()
    goes_on = before[-1:].isalpha() and before[-1:].islower() == word[:1].islower()
    if word.lower() in _SHORT and goes_on and not is_camel:
        # `monkey`, `compass`, `turkey`: the keyword is another word's end.
        return None
    text = before + source[keyword[0] : rest[1]]
    if _BENIGN_NAME.is_in(text) or _BENIGN_REST.matches(source[rest[0] : rest[1]]):
        return None
    return _Name(text, _IS_PASSWORD.is_in(text))


_SHORT = frozenset({b"key", b"pass", b"pw", b"auth", b"token", b"license", b"signature", b"sig"})


def _is_strong(name: _Name) -> bool:
    return _STRONG.is_in(name.text)


def _quoted_end(source: bytes, quote: tuple[int, int]) -> int:
    """Where the value in these quotes ends; -1: it does not, on its line."""
    mark = source[quote[0] : quote[1]].lstrip(b"bBrRuUfF")
    limit = min(quote[1] + _VALUE_BYTES, len(source))
    end = source.find(mark, quote[1], limit)
    while end > 0 and source[end - 1 : end] == b"\\" and not mark.startswith(b"\\"):
        end = source.find(mark, end + 1, limit)
    return -1 if end < 0 or b"\n" in source[quote[1] : end] else end


def _takes_unquoted(source: bytes, start: int, operator: tuple[int, int], name: _Name) -> bool:
    """Whether a value without quotes may follow: not after a comma, and after a space only in a command or a .netrc."""
    sign = source[operator[0] : operator[1]].strip()
    if sign[:1] in (b",", b"(", b".") and b"=" not in sign:
        return b"value" in sign
    if sign:
        return True
    if name.text.startswith(b"-"):
        return True
    line = source[max(source.rfind(b"\n", 0, start) + 1, start - 48) : start]
    return name.is_password and (not line.strip() or b"login " in line)


def _unquoted_end(source: bytes, start: int, is_password: bool, sign: bytes, most: int) -> int:
    found = (_UNQUOTED_PASSWORD if is_password else _UNQUOTED_SECRET).match(source, start, start + most)
    if not found:
        return start
    value = found.group()
    if sign.endswith(b">") or b"</" in value:
        value = value.partition(b"<")[0]
    if b"," in value and b"=" in value.partition(b",")[2]:
        value = value.partition(b",")[0]
    value = value.rstrip(b",.!?:")
    for opened, closed in (b"()", b"[]", b"{}"):
        if value[-1:] == bytes([closed]) and bytes([opened]) not in value:
            value = value.rstrip(bytes([closed]))
    return start + len(value)


def _kind(name: _Name, value: bytes) -> str:
    lowered = name.text.lower()
    if _AWS_SECRET.matches(value) and b"aws" in lowered:
        return "aws-secret"
    if _AZURE_KEY.matches(value):
        return "azure-storage-key"
    return "password" if name.is_password else "secret"
