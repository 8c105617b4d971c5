"""Finds the tokens of `token_formats`, all in one pass.

The search is one RE2 alternation of the patterns' beginnings, each up to its first open repetition (`{20,}`). Every
alternative is a few bytes long, so no text makes the search slow. A set of all patterns then tells which ones match
in full; the first of them says where the token ends.
"""

import re
from collections.abc import Iterator, Sequence

import re2

from contract.redaction.detectors.pattern import Pattern, options
from contract.redaction.detectors.placeholders import is_filler
from contract.redaction.detectors.text import Refusals, Span, Text
from contract.redaction.tokens.token_formats import TOKENS, Token

_OPEN_REPETITION = re.compile(r"\{(\d+),\}")
_ENOUGH = 24
"""Characters after a prefix that the search requires; the rest is checked only after a hit."""

_BEFORE = {b"\\": (1, 2)}
"""How many bytes of a match may precede the token: one that is not a letter, or an escaped newline as in JSON."""

_LOOK_BYTES = 400
"""No pattern needs more to be recognised."""


class TokenFinder:
    """Compiled once; keeps nothing of the texts."""

    def __init__(self, tokens: Sequence[Token] = TOKENS) -> None:
        self._rules = [(token, Pattern(pattern)) for token in tokens for pattern in token.patterns]
        self._set = re2.Set.MatchSet(options())
        for _, pattern in self._rules:
            self._set.Add(pattern.pattern)
        self._set.Compile()
        beginnings = [_beginning(pattern) for token in tokens for pattern in token.patterns]
        # A token that may contain dashes must not follow a dash: else one could begin inside another.
        dashed = "|".join(beginning for beginning in beginnings if _may_hold_dash(beginning))
        plain = "|".join(beginning for beginning in beginnings if not _may_hold_dash(beginning))
        self._any = Pattern(rf"(?:^|[^0-9A-Za-z_-]|\\[nrt])(?:{dashed})|(?:^|[^0-9A-Za-z_]|\\[nrt])(?:{plain})")

    def find(self, text: Text) -> Iterator[Span]:
        source, search, refusals = text.source, text.searcher(self._any), Refusals()
        position = 0
        while found := search(position):
            start = found[0]
            position = start + 2
            # A group for the token alone would make the search thirty times as slow.
            for skipped in _BEFORE.get(source[start : start + 1], (1,) if start else (0, 1)):
                span, read = self._recognise(source, start + skipped)
                if span:
                    yield span
                    refusals.validate_again(start)
                    position = span.end
                    break
                refusals.refuse(start, read)
        text.refused(self._any, refusals)

    def _recognise(self, source: bytes, start: int) -> tuple[Span | None, int]:
        """The token that begins at `start` or None, and the offset up to which the text was read to decide."""
        read = start + _LOOK_BYTES
        for index in self._set.Match(source[start : start + _LOOK_BYTES]) or ():
            token, pattern = self._rules[index]
            end = pattern.end_of(source, start)
            value = source[start:end]
            if end > 0 and not is_filler(value) and token.is_secret(value):
                return Span(start, end, token.kind), end
            read = max(read, end + 1)
        return None, read


def _beginning(pattern: str) -> str:
    """A pattern up to its first open repetition outside of groups, which is replaced by its minimum."""
    for repetition in _OPEN_REPETITION.finditer(pattern):
        before = pattern[: repetition.start()]
        if before.count("(") == before.count(")"):
            return f"{before}{{{min(int(repetition[1]), _ENOUGH)}}}"
    return pattern.removesuffix(r"\b")


def _may_hold_dash(beginning: str) -> bool:
    return re.search(r"\[[^\]]*-\]", beginning) is not None
