"""The words of a text in the one form in which they are compared: folded, stemmed, stop words left out."""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from contract.evidence import scripts
from contract.evidence.stems import stem
from contract.evidence.stop_words import PARTICLES, STOP_WORDS

_LETTER: Final = rf"(?:[^\W_{scripts.UNSPACED}]|[{scripts.MARKS}])"
_TOKEN: Final = re.compile(
    rf"\d+(?:[.,]\d+)+|(?P<unspaced>[{scripts.UNSPACED}]+)|{_LETTER}+(?:['’]{_LETTER}+)?|[½¼¾%$€£¥]"
)
_ASCII_TOKEN: Final = re.compile(r"\d+(?:[.,]\d+)+|[A-Za-z0-9]+(?:'[A-Za-z0-9]+)?|[%$]")
"""What `_TOKEN` finds in ASCII, in a third of the time."""
_DROPPED: Final = re.compile(f"[{scripts.DROPPED}]")
_POSSESSIVE: Final = re.compile(r"['’]s?$")
_THOUSANDS: Final = re.compile(r",(?=\d{3}(?!\d))")
_ORDINAL: Final = re.compile(r"(\d+)(?:st|nd|rd|th)")
_SAME_LETTERS: Final = str.maketrans("أإآٱىةؤئё", "اااايهويе")
_TYPED_ALIKE: Final = str.maketrans({"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ı": "i"})
_HIRAGANA: Final = re.compile(r"[\u3040-\u309f]+")
_NUMBER_WORDS: Final = {
    word: str(number)
    for number, word in enumerate(
        """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
eighteen nineteen twenty
""".split()
    )
} | {"thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "seventy": "70", "eighty": "80", "ninety": "90"}
_WORD_CHARACTERS: Final = 60
"""What is longer is no word; its beginning is enough to compare it."""


class Token(NamedTuple):
    """A word, found at `text[start:end]`."""

    start: int
    end: int
    is_unspaced: bool


def tokens_of(text: str, start: int = 0, end: int | None = None) -> Iterator[Token]:
    """Words, numbers, signs of currency, and runs of letters that are written without spaces."""
    for found in _TOKEN.finditer(text, start, len(text) if end is None else end):
        yield Token(found.start(), found.end(), found["unspaced"] is not None)


def terms_of(text: str, start: int = 0, end: int | None = None) -> list[str]:
    """The terms of the words that carry meaning, in order, repeated as often as they occur."""
    part = text[start:end]
    if part.isascii():
        return list(filter(None, [term_of(word[:_WORD_CHARACTERS]) for word in _ASCII_TOKEN.findall(part)]))
    terms: list[str] = []
    for token in tokens_of(text, start, end):
        if token.is_unspaced:
            terms += _grams(text[token.start : token.end])
        elif term := term_of(text[token.start : min(token.end, token.start + _WORD_CHARACTERS)]):
            terms.append(term)
    return terms


@lru_cache(maxsize=65_536)
def term_of(word: str) -> str:
    """The form in which a word is compared; empty for a stop word."""
    folded = fold(word)
    if folded in STOP_WORDS:
        return ""
    if folded[:1].isdecimal():
        ordinal = _ORDINAL.fullmatch(folded)
        return ordinal[1] if ordinal else _THOUSANDS.sub("", folded)
    if number := _NUMBER_WORDS.get(folded):
        return number
    return stem(folded)


def fold(word: str) -> str:
    """Without case, accents, vowel marks, variants of a letter, and the English genitive."""
    if word.isascii():
        return _POSSESSIVE.sub("", word.lower())
    folded = unicodedata.normalize("NFKD", word.casefold()).translate(_SAME_LETTERS)
    return _POSSESSIVE.sub("", unicodedata.normalize("NFC", _DROPPED.sub("", folded)).translate(_TYPED_ALIKE))


def _grams(run: str) -> Iterator[str]:
    """Overlapping pairs of characters (threes where letters are that few), cut at particles."""
    folded = unicodedata.normalize("NFKC", run)
    for part in PARTICLES.split(folded):
        size = 3 if part and "\u0e00" <= part[0] <= "\u17ff" and not "\u1100" <= part[0] <= "\u11ff" else 2
        if len(part) <= size:
            yield from filter(None, [part])
            continue
        for at in range(len(part) - size + 1):
            gram = part[at : at + size]
            if not _HIRAGANA.fullmatch(gram):
                yield gram
