"""Finds passwords of logins that have no scheme: Oracle's `user/password@database`, Go's `user:password@tcp(host)`.

`name/name@name` is also a package with its version, so Oracle's form counts only behind what takes such a login.
"""

import re
from collections.abc import Iterator

from contract.errors import TooManySecretsError
from contract.redaction.detectors.pattern import Pattern
from contract.redaction.detectors.placeholders import digits_in, is_placeholder
from contract.redaction.detectors.text import Span, Text

_ANY = Pattern(
    r"(?i)\b(?:jdbc:oracle:[a-z0-9]{3,5}:|(?:sqlplus|sqlldr|sqlcl|rman|expdp|impdp|dgmgrl)\b)"
    r"|(?:^|\n|>)[ \t]{0,8}(?:conn|connect|exp|imp)\b"
    r"|\buserid=|\btarget[ =]|\bcatalog[ =]|(?:oracle|oracledb)\.connect\("
    r"|[^\s\"'`<>@:/]@(?:tcp|tcp6|unix|cloudsql)\("
)
_ORACLE = re.compile(
    rb"(?:[ \t]++-{1,2}[A-Za-z]++(?:[ \t]++(?:[A-Z0-9_.]{1,16}[ \t]++)?)?)*+[ \t=(\"']*+"
    rb"[A-Za-z][\w$#.\[\]-]{0,64}/(?:\"(?P<quoted>[^\"\n]{1,128})\"|(?P<plain>[^\s\"'@/]{1,128}))"
    rb"(?P<end>@|(?=[\s;\"')]|\Z))"
)
_USER = re.compile(rb"[\w.+%-]{1,64}")
_BEFORE_A_LOGIN = (b" ", b"\t", b"\n", b'"', b"'", b"`", b"=", b"(", b"<", b">")
_BEFORE_BYTES = 200
_FEW = 1200
_BYTES_EACH = 256
"""Budget of candidates by bytes of text; a text with more was not written by people, and would take long."""


def find(text: Text) -> Iterator[Span]:
    source, search = text.source, text.searcher(_ANY)
    position, left = 0, _FEW + len(source) // _BYTES_EACH
    while found := search(position):
        position, left = found[1], left - 1
        if left < 0:
            raise TooManySecretsError("The text names logins too often to look at each: send it in parts.")
        span = _go(source, found) if source[found[1] - 1 : found[1]] == b"(" and b"@" in source[slice(*found)] else None
        span = span or _oracle(source, found[1])
        if span:
            yield span
            position = max(position, span.end)


def _oracle(source: bytes, start: int) -> Span | None:
    match = _ORACLE.match(source, start)
    name = "quoted" if match and match["quoted"] else "plain"
    if match is None or is_placeholder(match[name]):
        return None
    # `client/server` without a database after it is not a login.
    if not match["end"] and not digits_in(match[name]):
        return None
    return Span(*match.span(name), "password")


def _go(source: bytes, found: tuple[int, int]) -> Span | None:
    end = source.index(b"@", *found)
    before = source[max(0, end - _BEFORE_BYTES) : end]
    login = before[max(map(before.rfind, _BEFORE_A_LOGIN)) + 1 :]
    user, _, password = login.partition(b":")
    if not _USER.fullmatch(user) or not password or is_placeholder(password):
        return None
    return Span(end - len(password), end, "password")
