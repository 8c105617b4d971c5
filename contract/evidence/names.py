"""Names in a question, and whether any of the documents that are searched holds them."""

import re
from itertools import pairwise
from typing import Final

from contract.evidence.background import rarity
from contract.evidence.ranking import SentenceIndex
from contract.evidence.words import term_of, tokens_of

Pair = tuple[str, str]

_QUESTION_CHARACTERS: Final = 4_000
_PAIRS: Final = 16
_WORD_CHARACTERS: Final = 60
_RARE_FROM: Final = 0.4
"""Capital letters also begin words that are no names: New World, South African."""
_WITHIN_NAME: Final = re.compile(r"\.?\s+(?:&\s+)?|-")
_POSSESSIVE: Final = ("'s", "’s")


def name_pairs(question: str) -> list[Pair]:
    """The neighbouring words, as terms, of names that have several: a first and a last name, a firm and its form."""
    question = question[:_QUESTION_CHARACTERS]
    pairs: list[Pair] = []
    before, end = "", 0
    for place, token in enumerate(tokens_of(question)):
        word = question[token.start : min(token.end, token.start + _WORD_CHARACTERS)]
        term = term_of(word) if place and word[0].isupper() else ""
        if before and term and _WITHIN_NAME.fullmatch(question, end, token.start):
            pairs.append((before, term))
        before, end = "" if word.endswith(_POSSESSIVE) else term, token.end
    return [pair for pair in dict.fromkeys(pairs) if min(map(rarity, pair)) >= _RARE_FROM][:_PAIRS]


def names_someone_absent(index: SentenceIndex, question: str) -> bool:
    """Whether a name's words stand side by side in none of several documents. Of a single document nothing is said.

    Look-alikes from one template hold each word of a firm's name somewhere, and answer every question about it.
    """
    return index.has_documents and any(not _side_by_side(index, pair) for pair in name_pairs(question))


def _side_by_side(index: SentenceIndex, pair: Pair) -> bool:
    both = set(index.postings.get(pair[0], ())).intersection(index.postings.get(pair[1], ()))
    return any(pair in pairwise(index.terms[at]) for at in both)
