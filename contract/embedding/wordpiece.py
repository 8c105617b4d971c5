"""Texts as the pieces of BERT's vocabulary, lower case and without accents. Any text has some: none is refused.

Source: `tokenization.py` of https://github.com/google-research/bert. What a text spells like a control token is text.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

_MAX_CHARS: Final = 16_384
"""Of a text. No text of the model's pieces is longer, but for rare runs of one character."""
_MOST_IN_A_WORD: Final = 100
"""A longer word is unknown as a whole."""
_KEPT_WORDS: Final = 50_000
_KEPT_CHARS: Final = 40


class WordPiece:
    """The longest pieces first; any thread may call it."""

    def __init__(self, pieces: Sequence[str], window: int) -> None:
        """`window`: the most pieces of a text, its first and last one, which mark begin and end, included."""
        self._numbers = {piece: number for number, piece in enumerate(pieces) if piece}
        self._begin, self._end, self._unknown = (self._numbers[name] for name in ("[CLS]", "[SEP]", "[UNK]"))
        self._most = window - 2
        self._kept: dict[str, tuple[int, ...]] = {}

    def encode(self, prefix: str, texts: Sequence[str]) -> list[list[int]]:
        """The pieces of each text with `prefix` before it, cut after the model's window."""
        return [self._encoded(prefix + text[:_MAX_CHARS]) for text in texts]

    def _encoded(self, text: str) -> list[int]:
        found: list[int] = []
        for chunk in text.split():
            found += self._chunk(chunk)
            if len(found) >= self._most:
                break
        return [self._begin, *found[: self._most], self._end]

    def _chunk(self, chunk: str) -> tuple[int, ...]:
        """The pieces of a text between two spaces; words that were cut before are cached."""
        known = self._kept.get(chunk)
        if known is not None:
            return known
        found = tuple(number for word in _words(chunk) for number in self._word(word))
        if len(chunk) <= _KEPT_CHARS:
            if len(self._kept) >= _KEPT_WORDS:
                self._kept.clear()
            self._kept[chunk] = found
        return found

    def _word(self, word: str) -> list[int]:
        if len(word) > _MOST_IN_A_WORD:
            return [self._unknown]
        found: list[int] = []
        start = 0
        while start < len(word):
            lead = "##" if start else ""
            ends = (end for end in range(len(word), start, -1) if lead + word[start:end] in self._numbers)
            end = next(ends, None)
            if end is None:
                return [self._unknown]
            found.append(self._numbers[lead + word[start:end]])
            start = end
        return found


def _words(chunk: str) -> Iterator[str]:
    """Runs of letters and the like; each punctuation mark and each Chinese character by itself."""
    kept = (sign for sign in unicodedata.normalize("NFD", chunk) if _counts(sign))
    run = ""
    for sign in "".join(kept).lower():
        if _stands_alone(sign):
            if run:
                yield run
            yield sign
            run = ""
        else:
            run += sign
    if run:
        yield run


def _counts(sign: str) -> bool:
    """False for accents, control characters and halves of surrogate pairs."""
    category = unicodedata.category(sign)
    return category != "Mn" and category[0] != "C" and sign != "\ufffd"


def _stands_alone(sign: str) -> bool:
    if sign < "\x80":
        return not sign.isalnum()
    return (
        unicodedata.category(sign)[0] == "P"
        or 0x3400 <= ord(sign) <= 0x9FFF
        or 0xF900 <= ord(sign) <= 0xFAFF
        or 0x20000 <= ord(sign) <= 0x2FA1F
    )
