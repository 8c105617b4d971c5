"""Invented English of usual words: files to read, and sentences to search among. The same for the same seed; pure."""

import random
import re
from collections.abc import Iterator
from itertools import product
from typing import Final

from bench.harness.documents import DOCUMENTS

_WORDS: Final = sorted({word.lower() for text, _ in DOCUMENTS for word in re.findall(r"[A-Za-z]{2,}", text)})
_RARE: Final = ["".join(parts) for parts in product(("bar", "con", "der", "fin", "gra", "hol", "mar", "ven"), repeat=3)]
_WORDS_A_SENTENCE: Final = (11, 21)
_SENTENCES_A_PARAGRAPH: Final = 4
_RARE_SHARE: Final = 0.2


def paragraphs(seed: int) -> Iterator[str]:
    """Of four sentences of about 16 usual words each, for ever."""
    drawn = random.Random(seed)
    while True:
        yield " ".join(_sentence(drawn, rare=0.0) for _ in range(_SENTENCES_A_PARAGRAPH))


def text(seed: int, characters: int) -> str:
    """Some paragraphs, cut to a length."""
    found = ""
    for one in paragraphs(seed):
        found += f"{one}\n\n"
        if len(found) >= characters:
            return found[:characters].rsplit(" ", 1)[0]
    raise AssertionError("paragraphs go on for ever")


def sentences(seed: int, count: int) -> list[str]:
    """Different ones, a fifth of whose words are rare, as names and terms are."""
    drawn = random.Random(seed)
    return list(dict.fromkeys(_sentence(drawn, rare=_RARE_SHARE) for _ in range(count)))


def _sentence(drawn: random.Random, rare: float) -> str:
    words = [drawn.choice(_RARE if drawn.random() < rare else _WORDS) for _ in range(drawn.randint(*_WORDS_A_SENTENCE))]
    return f"{' '.join(words).capitalize()}."
