"""How rare a word is in English at large: a table made by `python -m bench.answers.background`."""

from functools import cache
from importlib.resources import files
from typing import Final

_UNKNOWN: Final = 1.0


@cache
def _table() -> dict[str, float]:
    """Rarity of each known term; a line of the file is a rarity from 0 to 99, then the terms that have it."""
    table: dict[str, float] = {}
    text = files("contract.evidence").joinpath("background.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        if not line.startswith("#"):
            rarity, *terms = line.split(" ")
            table |= dict.fromkeys(terms, int(rarity) / 100)
    return table


def rarity(term: str) -> float:
    """From 0 (in every text) to 1 (a word that is not in the table: a name, a number, a rare word)."""
    return _table().get(term, _UNKNOWN)
