"""Classifies the name of a setting: a password's, another secret's, or one that only sounds like it."""

from typing import Final, NamedTuple

from contract.redaction.detectors.password_words import PASSWORD_WORDS
from contract.redaction.detectors.pattern import Pattern

SPOKEN: Final = rf"{PASSWORD_WORDS}|requirepass|convertto-securestring|(?-i:IDENTIFIED (?:WITH [a-z0-9_]{{1,32}} )?BY)"
"""Names of passwords; they count in sentences too."""

_OTHERS: Final = (
    r"secret(?:[_.\- ]key)?|token|api[_.\- ]?key|auth|credential|creds|private[_.\- ]?key|access[_.\- ]?key|pass|"
    r"signature|license(?:[_. -]key)?|accountkey|sonar[_.]?login|unseal(?:[_ ]?key(?: [0-9]{1,2})?)?|pw|pat\b|sig\b"
)
WRITTEN: Final = rf"{_OTHERS}|key"
NEAR: Final = rf"{_OTHERS}|[\w.$-]key|key[\w.-]"
"""A faster first filter: leaves out `key` alone, which is rarely a secret's name; a match may begin one byte early."""
REST: Final = r"[\w.\-]{0,24}"
"""What may follow the keyword in a name."""

_SHORT: Final = frozenset({b"key", b"pass", b"pw", b"auth", b"token", b"license", b"signature", b"sig"})
_IN_A_NAME: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.$-"
_BEFORE_BYTES: Final = 48

_IS_PASSWORD = Pattern(rf"(?i){SPOKEN}|(?:^|[^a-z])(?:pass|pw)(?:$|[^a-z])")
_BENIGN = Pattern(
    r"(?i)(?:^|[^a-z])(?:public|pub|primary|foreign|sequence|schema|cache|sort|hash|partition|bucket|idx|index|natural|"
    r"hot|issuer|object|translation|i18n|locale|row|group|map|dict|lookup|unique|composite|csrf|xsrf|next|continuation|"
    r"page|cursor|host|known|registry|event|metric|shortcut|search|query|filter|answer|max|min|num|total|idempotency|"
    r"range|document)[_.\-]?(?:keys?|tokens?)|^licen[cs]es?$|signature_?value|access(?:ibility|or|_?id)|public|^keys$"
)
_BENIGN_REST = Pattern(
    r"(?i)(?:.*[_.\-])?(?:ids?|names?|length|len|size|files?|filename|paths?|dir|url|uri|endpoint|types?|fields?|label|hint|"
    r"regex|pattern|policy|count|limit|expir\w*|expires_?(?:at|in)|ttl|lifetime|version|alias|format|algorithm|alg|prefix|"
    r"suffix|header|params?|manager|provider|reset|required|min|max|text|message|errors?|title|description|class|selector|"
    r"event|audience|scopes?|issuer|store|ring|pair|codes?|frame|words?|board|press(?:ed)?|down|up|left|right|map|mesh|schema|"
    r"service|client|handler|method|mode|status|state|index|column|table|columns|source|ref|arn|location|usage|input|stone|"
    r"output|tags?|group|env|var|variable|placeholder|prompt|strength|rules|checksum|fingerprint|server|domain|storetype|"
    r"created|updated|date|rotation|enabled|disabled|verified|changed|valid|validity|info|meta|metadata|signature|signatures|"
    r"encode|decode|time|split|strip|replace|asm|pyi?|jsx?|tsx?|java|md|txt|html?|json|ya?ml|toml|xml|css|"
    r"usages|vault|operator|bindings?|vaultid|vaultname)"
)
_COMPOUND = Pattern(r"(?i)(?:keys?|tokens?|secrets?|code|string)(?:$|[^A-Za-z])")
"""What may directly follow a keyword: `secretkey`, `authtoken`."""
_STRONG = Pattern(
    r"(?i)secret|token|api[_.\- ]?key|private|access[_.\- ]?key|cred|auth|account|encrypt|sign|master|admin"
)


class Name(NamedTuple):
    """The name of a setting. `is_strong`: so plainly a secret's name that a short value counts too.

    `is_bare`: just `key`, which dictionaries and caches have as well.
    """

    text: bytes
    is_password: bool
    is_strong: bool
    is_bare: bool


class Names:
    """Classifies names, each once, since a text repeats the same few. One instance for one text."""

    def __init__(self) -> None:
        self._classified: dict[tuple[bytes, bytes, bytes], Name | None] = {}

    def classify(self, source: bytes, keyword: tuple[int, int], end: int) -> Name | None:
        """The name around a keyword, up to `end`; None if it is not a secret's name."""
        before = source[max(0, keyword[0] - _BEFORE_BYTES) : keyword[0]]
        before = before[len(before.rstrip(_IN_A_NAME)) :]
        whole = before, source[keyword[0] : keyword[1]], source[keyword[1] : end]
        if whole not in self._classified:
            self._classified[whole] = _classify(*whole)
        return self._classified[whole]


def is_benign(name: bytes) -> bool:
    """Whether a name with `key` or `token` in it means a database key, a page token, or the like."""
    return _BENIGN.is_in(name)


def _classify(before: bytes, word: bytes, rest: bytes) -> Name | None:
    if _goes_on(word, rest) or _is_an_end(before, word) or _BENIGN_REST.matches(rest):
        return None
    text = before + word + rest
    if is_benign(text):
        return None
    return Name(text, _IS_PASSWORD.is_in(text), _STRONG.is_in(text), text.lower() == b"key")


def _goes_on(word: bytes, rest: bytes) -> bool:
    """Whether the keyword is the beginning of another word: `tokenizer`, `KEYWORD`, `passenger`."""
    if not rest[:1].isalpha() or rest[:2].rstrip(b"_.-").lower() in (b"s", b"e", b"d"):
        return False
    if _COMPOUND.end_of(rest, 0) > 0:
        return False
    return word[-1:].isupper() == rest[:1].isupper()


def _is_an_end(before: bytes, word: bytes) -> bool:
    """Whether the keyword is another word's end: `monkey`, `compass`, `turkey`."""
    is_camel = word[:1].isupper() and word[1:2].islower()
    return (
        word.lower() in _SHORT
        and not is_camel
        and before[-1:].isalpha()
        and before[-1:].islower() == word[:1].islower()
    )
