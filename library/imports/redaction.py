"""Takes secrets out of a document's text, and says where each offset of it has gone.

The same kinds as in every text that stays on this machine, however many there are. A long text is looked
through in pieces, which end between paragraphs and never within a private key.
"""

import bisect
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from contract.errors import TooManySecretsError
from contract.redaction.control_text import CONTROL_CHARACTER, CONTROL_TOKEN, is_harmless, make_harmless
from contract.redaction.detectors.text import Span, Text
from contract.redaction.redactor import Redactor

RULES: Final = "1"
"""Of this module and of the kinds that are always taken out: another number reads every document anew."""

_PIECE_CHARS: Final = 200_000
_LOOKS: Final = 8
_KEY_BEGINS: Final = "-----BEGIN"
_KEY_ENDS: Final = "-----END"


class Redacted(NamedTuple):
    """A text without secrets, where each of the marks is in it, and how many of each kind were taken out."""

    text: str
    marks: list[int]
    counts: dict[str, int]


def redact(text: str, redactor: Redactor, marks: Sequence[int]) -> Redacted:
    """`marks`: offsets in the text, in ascending order. One within a secret moves to its marker's end."""
    counts: Counter[str] = Counter()
    parts: list[str] = []
    moved: list[int] = []
    position = 0
    for start, end in _pieces(text):
        first, last = bisect.bisect_left(marks, start), bisect.bisect_left(marks, end)
        piece = _redacted(text[start:end], [mark - start for mark in marks[first:last]], redactor)
        counts.update(piece.counts)
        parts.append(piece.text)
        moved += [position + mark for mark in piece.marks]
        position += len(piece.text)
    moved += [position] * (len(marks) - len(moved))
    return Redacted("".join(parts), moved, dict(counts))


def _redacted(text: str, marks: list[int], redactor: Redactor) -> "_Piece":
    """One piece; where it holds more secrets than are looked for at a time, its halves."""
    piece = _Piece(text, marks)
    try:
        piece.redact(redactor)
    except TooManySecretsError:
        middle = text.find("\n", len(text) // 2) + 1 or len(text) // 2
        if middle >= len(text):
            middle = len(text) // 2
        before = _redacted(text[:middle], [mark for mark in marks if mark < middle], redactor)
        after = _redacted(text[middle:], [mark - middle for mark in marks if mark >= middle], redactor)
        return before.joined(after)
    return piece


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    while start < len(text):
        end = _end_of_piece(text, start)
        yield start, end
        start = end


def _end_of_piece(text: str, start: int) -> int:
    limit = start + _PIECE_CHARS
    if limit >= len(text):
        return len(text)
    least = start + _PIECE_CHARS // 2
    ends = (text.rfind(gap, least, limit) + len(gap) for gap in ("\n\n", "\n", " ") if gap in text[least:limit])
    end = next(ends, limit)
    key = text.rfind(_KEY_BEGINS, start, end)
    is_open = key > start and text.find(_KEY_ENDS, key, end) < 0
    return key if is_open else end


class _Piece:
    """A text that is looked through as a whole, the marks in it, and what was taken out of it."""

    def __init__(self, text: str, marks: list[int]) -> None:
        self.text = text
        self.marks = marks
        self.counts: Counter[str] = Counter()

    def joined(self, other: "_Piece") -> "_Piece":
        """This one with the other behind it."""
        piece = _Piece(self.text + other.text, self.marks + [len(self.text) + mark for mark in other.marks])
        piece.counts = self.counts + other.counts
        return piece

    def redact(self, redactor: Redactor) -> None:
        """Raises TooManySecretsError."""
        looked = Text(self.text.encode("utf-8", "surrogatepass"))
        for _ in range(_LOOKS):
            if not is_harmless(looked):
                self._make_harmless()
                looked = Text(self.text.encode("utf-8", "surrogatepass"))
            spans = redactor.find(looked)
            if not spans:
                return
            self.counts.update(span.kind for span in spans)
            self._move(looked.source, spans)
            looked = looked.replaced(spans)
            self.text = looked.source.decode("utf-8", "surrogatepass")

    def _make_harmless(self) -> None:
        """Between the marks, so that they stay true; then the whole, for what stands across one."""
        ends = [0, *self.marks, len(self.text)]
        parts = [make_harmless(self.text[start:end]) for start, end in pairwise(ends)]
        self.text = "".join(part.text for part in parts)
        position, moved = 0, []
        for part in parts[:-1]:
            position += len(part.text)
            moved.append(position)
        self.marks = moved
        whole = make_harmless(self.text)
        if whole.controls or whole.tokens:
            self.text = whole.text
            self.marks = [min(mark, len(whole.text)) for mark in self.marks]
        controls = whole.controls + sum(part.controls for part in parts)
        tokens = whole.tokens + sum(part.tokens for part in parts)
        self.counts += Counter({CONTROL_CHARACTER: controls, CONTROL_TOKEN: tokens})

    def _move(self, source: bytes, spans: Sequence[Span]) -> None:
        """Where the marks are once a marker stands in each span's place."""
        places = _characters(source, [place for span in spans for place in (span.start, span.end)])
        starts, ends = places[::2], places[1::2]
        moved: list[int] = []
        change = index = 0
        for mark in self.marks:
            while index < len(spans) and starts[index] < mark:
                marker = len(f"[REDACTED:{spans[index].kind}]")
                change += marker - (ends[index] - starts[index])
                index += 1
            inside = index > 0 and mark < ends[index - 1]
            moved.append((ends[index - 1] if inside else mark) + change)
        self.marks = moved


def _characters(source: bytes, places: Sequence[int]) -> list[int]:
    """Offsets in bytes, in ascending order, as offsets in code points."""
    if source.isascii():
        return list(places)
    found: list[int] = []
    position = characters = 0
    for place in places:
        characters += len(source[position:place].decode("utf-8", "surrogatepass"))
        found.append(characters)
        position = place
    return found
