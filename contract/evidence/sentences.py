"""Cuts a text into sentences with exact offsets, in every script; knows nothing about questions."""

import re
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from contract.evidence import abbreviations
from contract.evidence.lines import Line, lines_of

SENTENCE_CHARACTERS: Final = 1_000
"""Longer ones are cut between words: a citation holds no more."""
_SHORTEST_PIECE: Final = 400
_THAI_PIECE: Final = 60
_LEAD_CHARACTERS: Final = 300

# Bounded repeats: a run of a million stops is read once, not once from each of its stops.
_END: Final = re.compile(
    r"(?P<spaced>[.!?…‼⁇؟۔।॥။።։]{1,6})(?P<closed>(?:[\"'”’»›)\]}]|\[\d{1,3}\]){0,6})(?=\s|$)"
    r"|(?P<dense>[。！？｡]+[」』】）”’》〉\"')]*)"
    r"|(?P<thai>(?<=[\u0e00-\u0eff])\s+(?=[\u0e00-\u0eff]))"
)
_WORD_BEFORE: Final = 24
_LAST_WORD: Final = re.compile(r"[^\s(\[{\"'“”‘’«»,;:/]*$")
_FIRST_WORD: Final = re.compile(r"[\s(\[{\"'“‘«¿¡*_]*(\w*)")
_SPACE: Final = re.compile(r"\s+")
_CLAUSE: Final = ";:,；，、،)"

Kind = Literal["sentence", "heading", "item", "row"]
Range = tuple[int, int]


class Sentence(NamedTuple):
    """`text[start:end]`, and what a reader needs above it: the heading, the head of the table, a list's lead-in."""

    start: int
    end: int
    kind: Kind = "sentence"
    above: tuple[Range, ...] = ()
    block: int = 0
    """Sentences of the same paragraph, list or table have the same number."""


def split_sentences(text: str) -> list[Sentence]:
    """All sentences in order; they don't overlap, and every letter and digit of the text is in one of them."""
    return list(_Splitter(text).sentences())


def embedding_text(text: str, sentence: Sentence) -> str:
    """What a vector of the sentence is made of: what is above it, then its own words."""
    above = [text[start:end] for start, end in sentence.above[-2:]]
    return ". ".join([*above, text[sentence.start : sentence.end]])


class _Splitter:
    """One pass over the lines; remembers the headings, the table and the list that the next line belongs to."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._heading: Range | None = None
        self._lead: Range | None = None
        self._head: Range | None = None
        self._block = 0

    def sentences(self) -> Iterator[Sentence]:
        wrapped: list[Line] = []
        for line in lines_of(self._text):
            if line.kind == "text" and not (wrapped and wrapped[0].kind == "row"):
                wrapped.append(line)
                continue
            yield from self._flushed(wrapped)
            wrapped = self._begun(line)
            if line.kind == "heading":
                yield self._headed(line)
            elif line.kind == "row":
                yield from self._row(line)
        yield from self._flushed(wrapped)

    def _begun(self, line: Line) -> list[Line]:
        """An item goes on in the lines below it; a blank line ends the paragraph, and a table with it."""
        if line.kind not in ("row", "rule"):
            self._head = None
        if line.kind in ("blank", "rule"):
            self._block += 1
        return [line] if line.kind == "item" else []

    def _headed(self, line: Line) -> Sentence:
        self._heading, self._lead = (line.start, line.end), None
        self._block += 1
        return Sentence(line.start, line.end, "heading", (), self._block)

    def _row(self, line: Line) -> Iterator[Sentence]:
        above = self._above(self._head)
        if self._head is None:
            self._head = (line.start, line.end)
            self._block += 1
        yield from self._bounded(line.start, line.end, "row", above)

    def _flushed(self, wrapped: list[Line]) -> Iterator[Sentence]:
        """The sentences of lines that belong together."""
        if not wrapped:
            return
        is_item = wrapped[0].kind == "item"
        above = self._above(self._lead if is_item else None)
        last: Range | None = None
        for start, end in _cut(self._text, wrapped[0].start, wrapped[-1].end):
            last = (start, end)
            yield from self._bounded(start, end, "item" if is_item else "sentence", above)
        if last and not is_item:
            is_lead = self._text[last[1] - 1] in ":：" and last[1] - last[0] <= _LEAD_CHARACTERS
            self._lead = last if is_lead else None

    def _above(self, nearest: Range | None) -> tuple[Range, ...]:
        return tuple(part for part in (self._heading, nearest) if part)

    def _bounded(self, start: int, end: int, kind: Kind, above: tuple[Range, ...]) -> Iterator[Sentence]:
        for piece_start, piece_end in _pieces(self._text, start, end):
            yield Sentence(piece_start, piece_end, kind, above, self._block)


def _cut(text: str, start: int, end: int) -> Iterator[Range]:
    at = start
    for found in _END.finditer(text, start, end):
        if found["thai"]:
            if found.start() - at >= _THAI_PIECE:
                yield at, found.start()
                at = found.end()
        elif found.start() >= at and (found["dense"] or _ends(text, at, found, end)):
            yield from _stripped(text, at, found.end())
            at = found.end()
    yield from _stripped(text, at, end)


def _stripped(text: str, start: int, end: int) -> Iterator[Range]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        yield start, end


def _ends(text: str, start: int, found: re.Match[str], end: int) -> bool:
    """Whether a stop that white space follows is the end of the sentence that began at `start`."""
    following = _FIRST_WORD.match(text, found.end(), min(end, found.end() + 48))
    after = following[1] if following else ""
    if after[:1].islower():
        # "J. van der Berg", "approx. two", 'he asked "why?" and left'.
        return False
    if found["spaced"] != "." or found["closed"]:
        return True
    near = text[max(start, found.start() - _WORD_BEFORE) : found.start()]
    last = _LAST_WORD.search(near)
    return abbreviations.is_end(
        last[0] if last else "", after, is_first=len(near.strip()) == len(last[0] if last else "")
    )


def _pieces(text: str, start: int, end: int) -> Iterator[Range]:
    while end - start > SENTENCE_CHARACTERS:
        middle = _seam(text, start)
        yield from _stripped(text, start, middle)
        start = middle
    yield from _stripped(text, start, end)


def _seam(text: str, start: int) -> int:
    """Where an overlong sentence is best cut: behind a clause, else between words, else anywhere."""
    least, most = start + _SHORTEST_PIECE, start + SENTENCE_CHARACTERS
    clause = max(text.rfind(mark, least, most) for mark in _CLAUSE)
    if clause >= 0:
        return clause + 1
    gaps = [found.end() for found in _SPACE.finditer(text, least, most)]
    return gaps[-1] if gaps else most
