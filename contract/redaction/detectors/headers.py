"""Finds what HTTP headers and commands authenticate with: `Authorization: Bearer …`, `curl -u user:password`."""

import binascii
import re
from collections.abc import Iterator

from contract.errors import TooManySecretsError
from contract.redaction.detectors.pattern import Pattern
from contract.redaction.detectors.placeholders import digits_in, is_filler, is_of_words, is_placeholder, turns_of_case
from contract.redaction.detectors.secret_values import is_plainly_random
from contract.redaction.detectors.text import Span, Text

_ANY = Pattern(
    r"(?i)\b(?:bearer|basic)(?:[ \t]{1,4}|%20)[\"']?[A-Za-z0-9._~+/=-]{8}"
    r"|authorization[\"']?\]?[ \t]{0,3}[:=,]{1,2}>?[ \t]{0,3}[\"'(]{0,2}"
    r"(?:(?:token|apikey|api-key|key|ssws|sso-key)[ \t=:]{1,3}[\"']?)?"
    r"[A-Za-z0-9._~+/=-]{16}"
    r"|\s(?:-u|--user|--proxy-user)[ =]{0,2}[\"']?"
    r"(?:[A-Za-z0-9_.@-]{1,64}:[^\s\"':$]|[A-Za-z0-9_.@/\\-]{1,64}%[^\s\"'%$])[^\s\"']{2}"
    r"|\s(?-i:-p|-a)[ =]?[\"']?[^\s\"'$<-][^\s\"']{4}"
    r"|[?&]key=[A-Za-z0-9_-]{20}"
    r"|\b(?:session_?id|sessid|session|phpsessid|jsessionid|connect\.sid|sid)=[A-Za-z0-9%._-]{16}"
)
_TOKEN = re.compile(rb"[A-Za-z0-9._~+/-]++=*+")
_PASSWORD = re.compile(rb"[^\s\"']++")
_COMMANDS = {b":": (b"curl", b"wget", b"http"), b"%": (b"smbclient", b"smbget", b"rpcclient")}
"""The separator of user and password, and the commands that use it."""
_TAKES = {
    b"mysql": {(b"-p", False)},
    b"mariadb": {(b"-p", False)},
    b"sshpass": {(b"-p", True), (b"-p", False)},
    b" login ": {(b"-p", True)},
    b"redis-cli": {(b"-a", True)},
    b"psexec": {(b"-p", True)},
}
"""Commands, their option that takes a password, and whether a space separates the two."""
_OPTIONS = (b"-p", b"-a")
_SESSIONS = (b"sess", b"phpsess", b"jsess", b"connect", b"sid")
_COOKIE_VALUE = re.compile(rb"[A-Za-z0-9%._~+/=-]++")
_COMMAND_BYTES = 300
_FEW = 300
_BYTES_EACH = 128
_COST = 4
"""Budget of candidates: `_FEW` plus one per `_BYTES_EACH` bytes; a text with more was not written by people, and would
take long. The options `-p` and `-a` are frequent in commands: `_COST` of them count as one candidate."""


def find(text: Text) -> Iterator[Span]:
    source, search = text.source, text.searcher(_ANY)
    position = 0
    left = _COST * (_FEW + len(source) // _BYTES_EACH)
    while found := search(position):
        start, end = found
        head = source[start:end].lstrip().lower()
        left -= 1 if head.startswith(_OPTIONS) else _COST
        if left < 0:
            raise TooManySecretsError("The text names credentials too often to look at each: send it in parts.")
        position = start + 5
        if head.startswith(_OPTIONS):
            span = _option(source, start, end)
        elif head.startswith(b"-"):
            span = _login(source, start, end)
        elif head.startswith((b"?", b"&")):
            span = _parameter(source, end - 20)
        elif head.startswith(_SESSIONS):
            span = _session(source, start, end - 16)
        elif head.startswith(b"authorization"):
            span = _credentials(source, end - 16, "authorization")
        else:
            span = _credentials(source, end - 8, "basic-auth" if head.startswith(b"basic") else "bearer-token")
        if span:
            yield span
            position = span.end


def _credentials(source: bytes, start: int, kind: str) -> Span | None:
    match = _TOKEN.match(source, start)
    value = match.group() if match else b""
    if is_filler(value) or _FORMS[kind](value) is False:
        return None
    return Span(start, start + len(value), kind)


def _is_basic(value: bytes) -> bool:
    """Base64 of `user:password`."""
    try:
        decoded = binascii.a2b_base64(value + b"=" * (-len(value) % 4))
    except binascii.Error:
        return False
    is_text = b":" in decoded and not any(byte < 32 for byte in decoded)
    return is_text or (len(value) >= 24 and _is_random(value) and value != value.lower())


def _is_random(value: bytes) -> bool:
    """True if it is not a word of a sentence: it has digits, its case changes often, or it is longer than words are."""
    if is_of_words(value):
        return False
    if len(value) >= 12 and digits_in(value):
        return True
    return turns_of_case(value) > 0.25 * len(value) >= 4 or (len(value) >= 40 and b"/" not in value[:4])


_FORMS = {"basic-auth": _is_basic, "bearer-token": _is_random, "authorization": _is_random}


def _parameter(source: bytes, start: int) -> Span | None:
    """`?key=…` of a URL; since many harmless parameters are called `key`, the value must look random."""
    match = _TOKEN.match(source, start)
    return Span(start, match.end(), "secret") if match and is_plainly_random(match.group()) else None


def _session(source: bytes, start: int, value: int) -> Span | None:
    """A session id, as in a cookie."""
    match = _COOKIE_VALUE.match(source, value)
    is_cookie = b"cookie" in source[max(0, start - _COMMAND_BYTES) : start].rpartition(b"\n")[2].lower()
    return Span(value, match.end(), "secret") if is_cookie and match and _is_random(match.group()) else None


def _option(source: bytes, start: int, end: int) -> Span | None:
    """The password after `-p` or `-a` of a command whose option it is."""
    line = source[max(0, start - _COMMAND_BYTES) : start].rpartition(b"\n")[2].lower()
    option = source[start:end].lstrip()
    begin = end - 5
    match = _PASSWORD.match(source, begin)
    taking = [forms for command, forms in _TAKES.items() if command in line]
    is_apart = option[2:3] in b" ="
    if not match or not any((option[:2], is_apart) in forms for forms in taking) or is_placeholder(match.group()):
        return None
    return Span(begin, match.end(), "password")


def _login(source: bytes, start: int, end: int) -> Span | None:
    """The password in `-u user:password` or `-U user%password` of a command that takes it."""
    line = source[max(0, start - _COMMAND_BYTES) : start].lower()
    sign = b":" if b":" in source[start:end] else b"%"
    begin = source.index(sign, start, end) + 1
    match = _PASSWORD.match(source, begin)
    if not match or is_placeholder(match.group()) or not any(command in line for command in _COMMANDS[sign]):
        return None
    return Span(begin, match.end(), "basic-auth")
