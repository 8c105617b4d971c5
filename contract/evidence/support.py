"""How likely a text is to hold the answer: a logistic model of a few features, fitted by bench/answers/fit.py."""

import math
from collections.abc import Sequence, Set
from typing import Final, NamedTuple

from contract.evidence import coefficients
from contract.evidence.answer_kinds import has_kind
from contract.evidence.background import rarity
from contract.evidence.ranking import Scored, SentenceIndex, Wanted
from contract.evidence.words import term_of, tokens_of

_NEIGHBOURS: Final = 3
_RARE_FROM: Final = 0.8


class Features(NamedTuple):
    """What support is computed from; all about 0 to 1."""

    coverage: float
    """The share of the question's weight in the best sentence and what is above it."""
    coverage_two: float
    """The same by background rarity, of the two best sentences together."""
    coverage_near: float
    """The same of the best sentence's paragraph."""
    rare_missing: float
    """The share of the question's rare words that the best three sentences and their neighbours lack."""
    names_missing: float
    """The share of the question's names and numbers that they lack."""
    margin: float
    """How far the best sentence's score is ahead of the third's."""
    kind: float
    """Whether the best sentence holds something of the asked kind."""
    cosine: float | None
    """The best sentence's similarity; None without vectors."""
    cosine_most: float | None
    """The largest similarity of any sentence."""
    overlap: float | None = None
    """The share of the written answer's words that the evidence holds; None for a quote."""
    exact: float | None = None
    """The share of the written answer's numbers and names that the evidence holds."""


def features_of(
    index: SentenceIndex, question: str, ranked: Sequence[Scored], cosines: Sequence[float] | None = None
) -> Features:
    """The features of a question whose sentences were ranked."""
    wanted = index.wanted(question)
    best = [scored.index for scored in ranked[:3]]
    near = _near_terms(index, best)
    cosine = ranked[0].cosine if ranked else None
    return Features(
        coverage=ranked[0].coverage if ranked else 0.0,
        coverage_two=_share(wanted.rare, {term for at in best[:2] for term in _own(index, at)}),
        coverage_near=_share(wanted.weights, _near_terms(index, best[:1])),
        rare_missing=1 - _share(_rare(wanted), near),
        names_missing=_missing(_named(question), near),
        margin=min(3.0, ranked[0].score - ranked[min(2, len(ranked) - 1)].score) if ranked else 0.0,
        kind=_kind(index, wanted, best),
        cosine=cosine,
        cosine_most=max(cosines) if cosines else cosine,
    )


def support(features: Features) -> float:
    """The probability, 0 to 1, that the text holds the answer."""
    weights = coefficients.support(with_cosines=features.cosine is not None)
    total = weights["constant"]
    for name, value in zip(Features._fields, features, strict=True):
        if value is not None:
            total += weights.get(name, 0.0) * value
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, total))))


def answerable(features: Features) -> bool:
    """Whether the support is at least the one that was chosen when the model was fitted."""
    return support(features) >= coefficients.answerable_from(with_cosines=features.cosine is not None)


def _kind(index: SentenceIndex, wanted: Wanted, best: Sequence[int]) -> float:
    if not best:
        return 0.0
    sentence = index.sentences[best[0]]
    return has_kind(wanted.kind, index.text[sentence.start : sentence.end], frozenset(wanted.weights))


def _own(index: SentenceIndex, at: int) -> set[str]:
    return set(index.terms[at]) | index.above(at)


def _near_terms(index: SentenceIndex, best: Sequence[int]) -> set[str]:
    """The words of these sentences, what is above them, and of their neighbours in the paragraph."""
    found: set[str] = set()
    for at in best:
        block = index.sentences[at].block
        for near in range(max(0, at - _NEIGHBOURS), min(len(index.sentences), at + _NEIGHBOURS + 1)):
            if index.sentences[near].block == block:
                found |= _own(index, near)
    return found


def _share(weights: dict[str, float], held: Set[str]) -> float:
    return sum(weight for term, weight in weights.items() if term in held)


def _rare(wanted: Wanted) -> dict[str, float]:
    rare = {term: 1.0 for term in wanted.rare if rarity(term) >= _RARE_FROM}
    return {term: 1 / len(rare) for term in rare} or {"": 1.0}


def _named(question: str) -> set[str]:
    """The terms of the question's names (capital letters behind the first word) and numbers."""
    named: set[str] = set()
    for place, token in enumerate(tokens_of(question)):
        word = question[token.start : token.end]
        if (place and word[0].isupper()) or word[0].isdecimal():
            named.add(term_of(word))
    return named - {""}


def _missing(named: Set[str], held: Set[str]) -> float:
    return len(named - held) / len(named) if named else 0.0
