"""Validates the value of a setting that is named like a secret: random, a password, or only a word."""

from contract.redaction.detectors.pattern import Pattern
from contract.redaction.detectors.placeholders import (
    digits_in,
    entropy_bits,
    is_name,
    is_of_words,
    is_placeholder,
    turns_of_case,
)

_PHRASE = Pattern(
    r"(?i)\b(?:enter|your|please|must|required|invalid|confirm|forgot|reset|show|hide|new|current|is|are|the|cannot|can't|"
    r"should|field|to|for|not|incorrect|wrong|repeat|again|change|used|use|this|that|a|an|of|at least|characters)\b"
)
_NAMES_A_SECRET = Pattern(
    r"(?i)pass|pwd|secret|token|key|login|user|field|label|input|credential|auth|config|settings|param"
)
_IS_ONE_WORD = Pattern(r"[a-z]{10,}[0-9]*|[A-Z][a-z]+(?:[A-Z][a-z]+)*[0-9]{1,4}")
_UUID = Pattern(r"(?i)[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_KEY = Pattern(r"[A-Za-z0-9_+-]{20,}={0,2}")
_MIXED = Pattern(r"[A-Za-z][0-9]+[A-Za-z]+[0-9]+[A-Za-z]+[0-9]")
_HEX = Pattern(r"(?i)(?:0x)?[0-9a-f-]*")
_MOST_BYTES = 4096
_ENOUGH_BYTES = 512
"""How much of a value is used to measure its randomness."""
_SIGNS = bytes(byte for byte in range(128) if not chr(byte).isalnum())
_CODE = Pattern(r"->|\(\?|\\d|\\w|\$\{|=>|\w\(|\)\.|\.get|\+ |\w\[[\"'\w]")


def is_quoted_secret(value: bytes, is_password: bool, is_strong: bool) -> bool:
    """A value between quotes."""
    value = value.strip(b" ")
    if is_placeholder(value) or value[:1] in b".+,;)" or (value[:1] == b"/" and value.count(b"/") > 1):
        return False
    if is_password:
        return _is_password(value)
    return _is_random(value, is_strong)


def is_unquoted_secret(source: bytes, start: int, end: int, is_password: bool, is_strong: bool) -> bool:
    """A value without quotes, which ends with its line or word; code is not a secret."""
    value, after = source[start:end], source[end : end + 1]
    if end - start < 5 or after in (b"(", b"[") or value.endswith((b"(", b"[")) or is_placeholder(value):
        return False
    if not is_password:
        return _is_random(value, is_strong)
    if _CODE.is_in(value) and not _is_random(value, True):
        return False
    if _is_alphabetic(value) or is_name(value):
        return _is_plain_password(source, start, end) and _is_password(value)
    return _is_password(value)


def is_plainly_random(value: bytes) -> bool:
    """True if a value is a secret even without a sign after its name: long, random, and not an identifier."""
    return len(value) >= 16 and not is_placeholder(value) and not _UUID.matches(value) and _is_random(value, False)


def is_key(value: bytes) -> bool:
    """True if a value named just `key` looks random: letters and digits interleaved, not a digest, path or date."""
    return _KEY.matches(value) and _MIXED.is_in(value) and not _HEX.matches(value) and is_plainly_random(value)


def is_a_word(value: bytes) -> bool:
    """Whether a value has letters alone, or is a name of several words."""
    return digits_in(value) == 0 or (not value.isalnum() and is_name(value))


def _is_alphabetic(value: bytes) -> bool:
    """Whether a value has letters alone, of any script."""
    return value.isalpha() or (not value.isascii() and value.decode("utf-8", "replace").isalpha())


def _is_password(value: bytes) -> bool:
    if not 4 <= len(value) <= 128 or not value.translate(None, _SIGNS):
        return False
    if b" " in value and (_PHRASE.is_in(value) or value.count(b" ") > 5):
        return False
    return not (is_name(value) and _NAMES_A_SECRET.is_in(value)) or _IS_ONE_WORD.matches(value)


def _is_plain_password(source: bytes, start: int, end: int) -> bool:
    """Whether a plain word is assigned as a password: `DB_PASSWORD=swordfish`, without spaces around the sign."""
    before, after = source[start - 1 : start], source[end : end + 1]
    value = source[start:end]
    if before == b"=" and b"." not in value:
        return after in (b"", b"\n", b"\r", b";", b"&", b" ") and not value.startswith((b"self", b"os", b"None"))
    return digits_in(value) > 0 and b"." not in value and b"_" not in value and after != b","


def _is_random(value: bytes, is_strong: bool) -> bool:
    """Whether a value looks random, and not like a name, a number or a sentence."""
    size = len(value)
    if size < 8 or size > _MOST_BYTES or b" " in value:
        return False
    digits = digits_in(value)
    if digits == 0:
        return _is_random_without_digits(value)
    if digits == size or is_name(value):
        return False
    bits = entropy_bits(value[:_ENOUGH_BYTES])
    return bits >= 2.8 if is_strong else size >= 16 and bits >= 3.3


def _is_random_without_digits(value: bytes) -> bool:
    """Letters alone: their case must change far more often than in a name of many words."""
    if is_of_words(value):
        return False
    return len(value) >= 20 and turns_of_case(value) >= 0.3 * len(value) and entropy_bits(value) >= 3.7
