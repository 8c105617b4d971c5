"""Chooses how many sentences form a quote: the best first, and more while they fit and may hold the answer."""

from collections.abc import Sequence
from typing import Final

from contract.evidence import coefficients
from contract.evidence.ranking import Scored
from contract.evidence.sentences import Sentence
from contract.evidence.words import tokens_of

QUOTE_WORDS: Final = 60
QUOTE_SENTENCES: Final = 3
_CHARACTERS_A_WORD: Final = 2
"""Of text without spaces: two characters count as one word."""


def quote(
    text: str, sentences: Sequence[Sentence], ranked: Sequence[Scored], margin: float | None = None
) -> list[Scored]:
    """The sentences that answer by themselves, best first: whole ones, at most `QUOTE_WORDS` words beyond the first.

    A sentence whose score is more than `margin` (default: the fitted one) behind the best one's is left out.
    """
    margin = coefficients.quote_margin() if margin is None else margin
    chosen: list[Scored] = []
    words = 0
    for scored in ranked:
        sentence = sentences[scored.index]
        size = words_in(text, sentence)
        if chosen and (words + size > QUOTE_WORDS or scored.score < chosen[0].score - margin):
            continue
        chosen.append(scored)
        words += size
        if len(chosen) == QUOTE_SENTENCES:
            break
    return chosen


def words_in(text: str, sentence: Sentence) -> int:
    """How many words a sentence has: what white space parts; of scripts without it, pairs of characters."""
    unspaced = sum(
        token.end - token.start for token in tokens_of(text, sentence.start, sentence.end) if token.is_unspaced
    )
    return max(len(text[sentence.start : sentence.end].split()), -(-unspaced // _CHARACTERS_A_WORD))
