"""Finds the numbers of payment cards: an issuer's prefix and length (ISO/IEC 7812), and Luhn's check digit."""

import re
from typing import Final

from contract.redaction.detectors.number_kind import Number
from contract.redaction.detectors.pattern import Pattern
from contract.redaction.detectors.text import Span

_GAP = rb"(?:[ -]|\xc2\xa0|\xe2\x80[\x90-\x93\xaf])"
_CARD = re.compile(
    rb"(?<!\w)(?<!\d\.)(?=([2-6](?:\d{12,18}|\d{3}(?P<gap>"
    + _GAP
    + rb")(?:\d{6}(?P=gap)\d{4,5}|\d{4}(?P=gap)\d{4}(?P=gap)\d{1,4}(?:(?P=gap)\d{3})?)))(?!\w|[.,/-]\d))"
)
_NEAR = Pattern(r"(?:^|[^0-9A-Za-z_])[2-6][0-9]{3}(?:(?:[ -]|\xc2\xa0|\xe2\x80[\x90-\x93\xaf])?[0-9]){9}")
_GROUP = rb"(?=[a-fA-F]{0,3}[0-9])(?=[0-9]{0,3}[a-fA-F])[0-9a-fA-F]{4}"
_HEX = re.compile(rb"(?:[ -][0-9]{4}){0,8}[ -]" + _GROUP + rb"(?!\w)")
_HEX_BEFORE = re.compile(rb"(?<!\w)" + _GROUP + rb"[ -](?:[0-9]{4}[ -]){0,8}\Z")
_HEX_BYTES = 45
"""Nearby text that shows that the numbers belong to a hex dump or a table of code points."""
_NOT_DIGITS = bytes(byte for byte in range(256) if not 48 <= byte <= 57)

# First digits of a number, as lowest and highest, and how many digits such a number has.
_ISSUERS = (
    (4, 4, (13, 16, 19)),  # Visa
    (51, 55, (16,)),  # Mastercard
    (2221, 2720, (16,)),  # Mastercard
    (34, 34, (15,)),  # American Express
    (37, 37, (15,)),  # American Express
    (300, 305, (14, 16)),  # Diners Club
    (3095, 3095, (14, 16)),  # Diners Club
    (36, 36, (14, 16)),  # Diners Club
    (38, 39, (14, 16)),  # Diners Club
    (6011, 6011, (16, 19)),  # Discover
    (644, 649, (16, 19)),  # Discover
    (65, 65, (16, 19)),  # Discover, RuPay
    (3528, 3589, (16, 19)),  # JCB
    (62, 62, (16, 17, 18, 19)),  # UnionPay
    (81, 82, (16,)),  # RuPay
    (2200, 2204, (16, 19)),  # Mir
    (5018, 5018, (13, 15, 16, 18, 19)),  # Maestro
    (5020, 5020, (13, 15, 16, 18, 19)),  # Maestro
    (5038, 5038, (13, 15, 16, 18, 19)),  # Maestro
    (5893, 5893, (13, 15, 16, 18, 19)),  # Maestro
    (6304, 6304, (13, 15, 16, 18, 19)),  # Maestro
    (6759, 6763, (13, 15, 16, 18, 19)),  # Maestro
    (6062, 6062, (16,)),  # Hipercard
    (506, 509, (16, 19)),  # Elo, Verve, RuPay
)


_SIZES = {
    b"%04d" % prefix: sizes
    for low, high, sizes in reversed(_ISSUERS)
    for first in range(low, high + 1)
    for prefix in range(first * 10 ** (4 - len(str(first))), (first + 1) * 10 ** (4 - len(str(first))))
}
"""A number's possible lengths in digits, by its first four digits."""


def _validate(source: bytes, match: "re.Match[bytes]") -> Span | None:
    if not is_card(match[1].translate(None, _NOT_DIGITS)):
        return None
    start, end = match.span(1)
    if _HEX.match(source, end) or _HEX_BEFORE.search(source, max(0, start - _HEX_BYTES), start):
        return None
    return Span(start, end, "card")


def is_card(digits: bytes) -> bool:
    return len(digits) in _SIZES.get(digits[:4], ()) and _passes_luhn(digits)


_VALUES = bytes.maketrans(b"0123456789", bytes(range(10)))
_DOUBLED = bytes.maketrans(b"0123456789", bytes([0, 2, 4, 6, 8, 1, 3, 5, 7, 9]))


def _passes_luhn(digits: bytes) -> bool:
    """ISO/IEC 7812-1, annex B: double every second digit from the right, sum all, divisible by ten."""
    return (sum(digits[::-2].translate(_VALUES)) + sum(digits[-2::-2].translate(_DOUBLED))) % 10 == 0


CARD: Final = Number(_NEAR, _CARD, _validate)
"""One may begin in what looked like another's digits."""
