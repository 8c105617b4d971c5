r"""Finds tokens that a line's end breaks in two or more, as mail, terminals and PDFs do: `ghp_9f8e…\n7d6c…`.

Words are joined only if the first one begins like a token and ends its line, and another word begins the next line. A
token without a known prefix, such as one of digits only, is found on a single line only.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from contract.errors import TooManySecretsError
from contract.redaction.detectors.pattern import Pattern
from contract.redaction.detectors.placeholders import digits_in, turns_of_case
from contract.redaction.detectors.text import Span, Text
from contract.redaction.tokens import jwt
from contract.redaction.tokens.token_finder import TokenFinder
from contract.redaction.tokens.token_formats import TOKENS, Token

_CHARACTERS: Final = r"A-Za-z0-9_.+/=|~!:$-"
_LINE_END: Final = r"(?:=|\\)?\r?\n[ \t]{0,20}(?:> ?)?"
r"""`=` and `\` are how mail and shells break lines, `>` is how mail quotes them."""
_END = re.compile(_LINE_END.encode())
_WORD = re.compile(rf"[{_CHARACTERS}]++".encode())
_MOST_PARTS: Final = 24
"""A JSON Web Token in mail has some ten lines."""


_LEAST_BYTES: Final = 8
_LEAST_TURNS: Final = 4
_FEW: Final = 1200
_BYTES_EACH: Final = 256
"""A text that has more often than this what looks like a token broken at a line's end was not written by people."""


class _Piece(NamedTuple):
    """A word that continues over several lines: the spans of its parts in the text."""

    parts: list[tuple[int, int]]

    def joined(self, source: bytes) -> bytes:
        return b"".join(source[start:end] for start, end in self.parts)


class BrokenTokenFinder:
    """Compiled once; keeps nothing of the texts."""

    def __init__(self, tokens: TokenFinder, kinds: Sequence[Token] = TOKENS) -> None:
        self._tokens = tokens
        beginnings = {"eyJ[A-Za-z0-9]", *filter(None, (_beginning(form) for kind in kinds for form in kind.patterns))}
        self._broken = Pattern(
            rf"(?:^|[^0-9A-Za-z_])(?:{'|'.join(sorted(beginnings))})[{_CHARACTERS}]*{_LINE_END}[A-Za-z0-9_+/.-]"
        )

    def find(self, text: Text) -> Iterator[Span]:
        """Tokens over more than one line; those on one are found elsewhere. Raises TooManySecretsError."""
        pieces = list(self._pieces(text.source))
        if not pieces:
            return
        joined = [piece.joined(text.source) for piece in pieces]
        starts = list(accumulate((len(word) + 1 for word in joined), initial=0))
        view = Text(b"\n".join(joined))
        for span in (*self._tokens.find(view), *jwt.find(view)):
            number = bisect_right(starts, span.start) - 1
            if found := _in_text(text.source, pieces[number], span, starts[number], self._tokens):
                yield found

    def _pieces(self, source: bytes) -> Iterator[_Piece]:
        position, left = 0, _FEW + len(source) // _BYTES_EACH
        while found := self._broken.search(source, position):
            left -= 1
            if left < 0:
                raise TooManySecretsError("The text breaks tokens over lines too often: send it in parts.")
            start = found[0] if _WORD.match(source, found[0]) else found[0] + 1
            parts = list(_parts(source, start))
            position = max(parts[-1][1] if parts else 0, found[1])
            if len(parts) > 1:
                yield _Piece(parts)


def _beginning(pattern: str) -> str | None:
    """A token's pattern up to its first repetition; None if that contains no literal letters."""
    before = pattern.partition("{")[0].removesuffix(r"\b")
    # After a prefix that ends with a separator, a line may also end before the token's first character.
    before = re.sub(r"(?<=[a-z\]]_|[a-z\]]-)\[[^\]]*\]$", "", before) or before
    is_whole = before.count("(") == before.count(")") and before.count("[") == before.count("]")
    own = re.sub(r"\(\?:[^()]*\)\?|\[[^\]]*\]|\\.|[^A-Za-z0-9]", "", before)
    return before if is_whole and len(own) >= 2 else None


def _parts(source: bytes, start: int) -> Iterator[tuple[int, int]]:
    """The spans of the word at `start` and of its continuations in the next lines."""
    for _ in range(_MOST_PARTS):
        word = _WORD.match(source, start)
        if word is None:
            return
        stop = (
            start + len(word.group().rstrip(b"="))
            if source[word.end() : word.end() + 1] in (b"\n", b"\r")
            else word.end()
        )
        yield start, stop
        gap = _END.match(source, stop)
        if gap is None:
            return
        start = gap.end()


def _in_text(source: bytes, piece: _Piece, span: Span, offset: int, tokens: TokenFinder) -> Span | None:
    """The span in the text; None if it is on one line, or if the next line is not a part of the token."""
    start, end = span.start - offset, span.end - offset
    first = _part_at(piece, start)
    last = _part_at(piece, end - 1)
    if first == last:
        return None
    found = Span(_place(piece, start), _place(piece, end - 1) + 1, span.kind)
    begun = Text(source[found.start : piece.parts[first][1]])
    if any(each.start == 0 and each.end == len(begun.source) for each in (*tokens.find(begun), *jwt.find(begun))):
        return found if all(_goes_on(source, *part) for part in piece.parts[first + 1 : last + 1]) else None
    return found


def _goes_on(source: bytes, start: int, end: int) -> bool:
    """True if a word continues a token that could also end before it: it looks random and is alone on its line."""
    word = source[start:end]
    is_random = (
        len(word) >= _LEAST_BYTES
        and digits_in(word) > 0
        and ((word.isalnum() and not word.isdigit()) or turns_of_case(word) >= _LEAST_TURNS)
    )
    return is_random and source[end : end + 1] in (b"", b"\n", b"\r")


def _part_at(piece: _Piece, position: int) -> int:
    for number, (start, end) in enumerate(piece.parts):
        if position < end - start:
            return number
        position -= end - start
    return len(piece.parts) - 1


def _place(piece: _Piece, position: int) -> int:
    for start, end in piece.parts:
        if position < end - start:
            return start + position
        position -= end - start
    return piece.parts[-1][1]
