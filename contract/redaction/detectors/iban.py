"""Finds International Bank Account Numbers (ISO 13616): a country's length, and the remainder by 97."""

import re
import string
from typing import Final

from contract.redaction.detectors.number_kind import Number
from contract.redaction.detectors.pattern import Pattern
from contract.redaction.detectors.text import Span

_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FO FI GL NL SD FK",  # codespell:ignore fo
        19: "MK SI",
        20: "AT BA EE KZ LT LU XK MN SO",
        21: "CH HR LI LV",
        22: "BG BH DE GB GE IE ME RS VA",
        23: "AE GI IL TL IQ OM",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HN HU LB PL SV NI",
        29: "BR EG PS QA UA",
        30: "JO KW MU YE",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}
_COUNTRIES = "|".join(_LENGTHS)
_GAP = r"(?:[ -]|\xc2\xa0)"
_NEAR = Pattern(
    rf"(?:^|[^0-9A-Za-z])(?i:{_COUNTRIES})[0-9]{{2}}(?:{_GAP}?[A-Za-z0-9]{{4}}){{2}}{_GAP}?[A-Za-z0-9]{{3}}"
)
_IBAN = re.compile(
    rb"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[A-Za-z0-9]{11,30}"
    rb"|(?P<gap>[ -]|\xc2\xa0)[A-Za-z0-9]{4}(?:(?P=gap)[A-Za-z0-9]{4}){1,6}"
    rb"(?:(?P=gap)[A-Za-z0-9]{1,3})?)(?![A-Za-z0-9])"
)
_SIGNS = bytes(byte for byte in range(256) if byte > 127 or not chr(byte).isalnum())
_NUMBERS = {ord(letter): str(number) for number, letter in enumerate(string.ascii_uppercase, 10)}


def _validate(_: bytes, match: "re.Match[bytes]") -> Span | None:
    start, end = match.span()
    compact = match.group().translate(None, _SIGNS).decode("ascii")
    length = _LENGTHS.get(compact[:2].upper(), 0)
    # The pattern may have taken in a word that follows a grouped number: `… 3000 00 an`.
    if len(compact) > length > 0 and match["gap"]:
        end = start + _cut(match.group(), length)
        compact = compact[:length]
    return Span(start, end, "iban") if len(compact) == length and is_iban(compact) else None


def _cut(text: bytes, length: int) -> int:
    """Where `length` letters and digits of a text end."""
    seen = 0
    for index, byte in enumerate(text):
        seen += chr(byte).isalnum() and byte < 128
        if seen == length:
            return index + 1
    return len(text)


def is_iban(compact: str) -> bool:
    """Whether the remainder by 97 is right; letters count from A = 10."""
    moved = compact[4:] + compact[:4]
    return int(moved.upper().translate(_NUMBERS)) % 97 == 1


IBAN: Final = Number(_NEAR, _IBAN, _validate)
