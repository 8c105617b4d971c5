"""Finds numbers that can be validated: bank accounts, cards, social security. One search finds all candidates."""

from collections.abc import Iterator
from typing import Final

from contract.redaction.detectors import ssn
from contract.redaction.detectors.card import CARD
from contract.redaction.detectors.iban import IBAN
from contract.redaction.detectors.number_kind import after
from contract.redaction.detectors.pattern import Pattern
from contract.redaction.detectors.ssn import SSN
from contract.redaction.detectors.text import Refusals, Span, Text

_KINDS: Final = (IBAN, CARD, SSN)
"""The middle of an account number may look like a card's: accounts come first."""

_ALL: Final = (0, 1, 2)
_OF_LETTERS: Final = (0,)
_OF_DIGITS: Final = (1, 2)
_NINE: Final = ord("9")

_ANY = Pattern("|".join(kind.near.pattern for kind in _KINDS))
_DASHED = Pattern("|".join((IBAN.near.pattern, CARD.near.pattern, ssn.DASHED)))
"""Without nine digits in a row: those are a social security number only in a text that mentions such numbers."""

_FEW: Final = 64
_BYTES_EACH: Final = 48
"""Where candidates are denser than this, searching for each kind by itself is as fast."""


def find(text: Text) -> Iterator[Span]:
    """All spans of one kind after another, each from left to right."""
    if not text.searcher(_ANY)(0):
        return
    found: list[list[Span]] = [[] for _ in _KINDS]
    positions = [0 for _ in _KINDS]
    stopped = _look(text, _ANY if text.searcher(ssn.CONTEXT)(0) else _DASHED, found, positions)
    for kind, spans, position in zip(_KINDS, found, positions, strict=True):
        yield from spans
        if stopped is not None:
            yield from kind.rest(text.source, max(stopped, position))


def _look(text: Text, pattern: Pattern, found: list[list[Span]], positions: list[int]) -> int | None:
    """Validate every candidate. Returns None, or the offset from which on candidates are too dense."""
    source, search = text.source, text.searcher(pattern)
    refusals = Refusals()
    position = seen = 0
    while near := search(position):
        place, position = near[0], near[0] + 1
        seen += 1
        if seen > _FEW + position // _BYTES_EACH:
            return place
        for index in _ALL if place == 0 else _OF_DIGITS if source[position] <= _NINE else _OF_LETTERS:
            if place < positions[index]:
                # Inside another number: it is validated again once that is replaced.
                refusals.validate_again(place)
            elif match := _KINDS[index].at(source, place):
                positions[index] = after(match)
                if span := _KINDS[index].validate(source, match):
                    found[index].append(span)
                    refusals.validate_again(place)
    text.refused(pattern, refusals)
    return None
