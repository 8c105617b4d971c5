"""Lines of Arabic, Hebrew and the like in the order in which they are read. Pure.

PDFium gives the letters of a word in order, but not always the words of a line, and lets marks and ligatures slip.
"""

import re
import unicodedata
from collections.abc import Callable

import msgspec

_LETTER = re.compile(r"[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
# An alef and a lam in the order in which one sign for `lam alef` comes apart when a line is turned around.
_ALEF_LAM = re.compile("[\u0622\u0623\u0625\u0627]\u0644")

Box = tuple[float, float, float, float]  # left, bottom, right, top


class Word(msgspec.Struct):
    """A word of a line; `start` is its first character's index on the page."""

    text: str
    start: int
    box: Box


def reads_right_to_left(line: str) -> bool:
    """Whether any of its letters does."""
    return _LETTER.search(line) is not None


def with_ligatures_mended(line: str, is_one_sign: Callable[[int], bool]) -> str:
    """The same letters, lam before alef where both are one sign; `is_one_sign` tells that of a letter and the next."""
    letters = list(line)
    for pair in _ALEF_LAM.finditer(line):
        if is_one_sign(pair.start()):
            letters[pair.start() : pair.end()] = reversed(pair.group())
    return "".join(letters)


def in_reading_order(words: list[Word]) -> list[Word]:
    """From right to left, but for runs of words that read from left to right; as they came where those prevail."""
    words = _with_marks_joined(words)
    leftward = [reads_right_to_left(word.text) for word in words]
    if sum(leftward) * 2 < len(words):
        return words
    ordered: list[Word] = []
    run: list[Word] = []
    for word in sorted(words, key=lambda word: -word.box[2]):
        if _is_rightward(word.text):
            run.insert(0, word)
            continue
        ordered += [*run, word]
        run = []
    return ordered + run


def _is_rightward(text: str) -> bool:
    """Has Latin letters and the like; numbers alone go with what is around them."""
    return any(unicodedata.bidirectional(char) in ("L", "EN") for char in text) and not reads_right_to_left(text)


def _with_marks_joined(words: list[Word]) -> list[Word]:
    """A word of nothing but marks belongs to the word above or below which it is."""
    marks = [word for word in words if all(unicodedata.combining(char) for char in word.text)]
    others = [word for word in words if word not in marks]
    for mark in marks:
        middle = (mark.box[0] + mark.box[2]) / 2
        near = min(others, key=lambda word: max(word.box[0] - middle, middle - word.box[2], 0.0), default=None)
        if near is not None:
            near.text += mark.text
    return others or words
