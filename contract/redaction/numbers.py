"""Finds numbers that carry a check of their own: accounts, cards, social security. One search says whether to look."""

from collections.abc import Iterator

from contract.redaction import card, iban, ssn
from contract.redaction.pattern import Pattern
from contract.redaction.span import Span

_ANY = Pattern("|".join(kind.NEAR.pattern for kind in (iban, card, ssn)))


def find(source: bytes) -> Iterator[Span]:
    """The middle of an account's number may pass for a card's: accounts come first."""
    if _ANY.search(source):
        for kind in (iban, card, ssn):
            yield from kind.find(source)
