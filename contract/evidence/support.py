"""How likely a text is to hold the answer: a logistic model of a few features, fitted by bench/answers/fit.py."""

import math
import re
from collections.abc import Mapping, Sequence, Set
from itertools import pairwise
from typing import Final, NamedTuple

from contract.evidence import coefficients
from contract.evidence.alignment import added_share, covered_share, exact_share
from contract.evidence.names import names_someone_absent
from contract.evidence.ranking import FEATURES, Scored, SentenceIndex, Wanted
from contract.evidence.words import term_of, tokens_of

_NEIGHBOURS: Final = 3
_QUESTION_CHARACTERS: Final = 4_000
_QUESTION_WORDS: Final = 100
_NAME_CHARACTERS: Final = 60
_MOST_MARGIN: Final = 4.0
ALONE_FROM: Final = 0.5
"""A written answer of less support is less likely right than not: the sentences are put beside it."""
_CLOSE: Final = 0.6
"""The cosine from which on a sentence says what was asked, whatever its words."""
_ABSENT: Final = 0.2
"""What is left of the support where no document has the name asked about: less than any bound for `answerable`."""
_NEGATED: Final = re.compile(r"\b(?:not?|never|without|least)\b|n['’]t\b", re.IGNORECASE)


Place = tuple[int, int]


class Features(NamedTuple):
    """What support is computed from; most are shares, 0 to 1."""

    covered: float
    """The share of the question's words, by their rarity at large, that the best two sentences hold together."""
    covered_squared: float
    """What it counts that nearly all words are there, beyond each of them."""
    either: float
    """The same, or how close the closest sentence is: whichever says more."""
    paragraph: float
    """The share of the question that the best sentence lacks, and its paragraph holds: the words are there, apart."""
    pairs: float
    """The share of the question's neighbouring words that are neighbours in the best sentence."""
    names_missing: float
    """The share of the question's names and numbers that nothing near the best sentences holds, or never together."""
    negated: float
    """1 if the question denies something: what the text says of it is likely the opposite."""
    score: float
    """The best sentence's."""
    closest: float | None
    """The largest similarity of any sentence; None without vectors."""
    unmatched: float = 0.0
    """The share of the question's words, each counting the same, that the best sentence lacks. Not fitted: of questions
    in other words those that another document shares a word with by chance would teach that a match is a bad sign."""
    overlap: float | None = None
    """The share of a written answer's words that the evidence holds; None for a quote."""
    exact: float | None = None
    """The share of a written answer's numbers and names that the evidence holds."""
    absent: float = 0.0
    """1 if the question names somebody whom none of several documents names."""
    margin: float = _MOST_MARGIN
    """By how much the best sentence's score is ahead of the next one's."""
    added: float | None = None
    """The share of a written answer's words beyond those of the question that the best sentence holds."""


def features_of(
    index: SentenceIndex, question: str, ranked: Sequence[Scored], cosines: Sequence[float] | None = None
) -> Features:
    """The features of a question whose sentences were ranked."""
    wanted = index.wanted(question)
    best = [scored.index for scored in ranked[:3]]
    covered = _share(wanted.rare, {term for at in best[:2] for term in _own(index, at)})
    closest = max(cosines, default=0.0) if cosines is not None else None
    row = dict(zip(FEATURES, index.features(wanted, best[:1], cosines)[0][1], strict=True)) if best else {}
    own = set(index.terms[best[0]]) if best else set()
    return Features(
        covered=covered,
        covered_squared=min(1.0, covered) ** 2,
        either=1 - (1 - min(1.0, covered)) * (1 - min(1.0, max(0.0, closest or 0.0) / _CLOSE)),
        paragraph=row.get("paragraph", 0.0),
        pairs=row.get("pairs", 0.0),
        unmatched=_missing(set(wanted.weights), own),
        names_missing=_names_missing(index, question, wanted, best),
        negated=float(bool(_NEGATED.search(question))),
        score=ranked[0].score if ranked else 0.0,
        closest=closest,
        absent=float(names_someone_absent(index, question)),
        margin=min(_MOST_MARGIN, ranked[0].score - ranked[1].score) if len(ranked) > 1 else _MOST_MARGIN,
    )


def with_answer(
    features: Features, question: str, answer: str, text: str, spans: Sequence[Place], best: Sequence[Place]
) -> Features:
    """The same for an answer that cites these spans of the text; `best` are its best sentences."""
    return features._replace(
        overlap=covered_share(answer, text, spans),
        exact=exact_share(answer, text, [*spans, *best]),
        added=added_share(question, answer, text, best[:1]),
    )


def support(features: Features) -> float:
    """The probability, 0 to 1, that the text holds the answer; of a written one, that it is this answer."""
    weights = coefficients.support(with_cosines=features.closest is not None)
    held = _chance(weights, {name: value or 0.0 for name, value in zip(Features._fields, features, strict=True)})
    if features.added is not None:
        known = {"added": features.added, "exact": features.exact or 0.0, "margin": features.margin}
        held = _chance(coefficients.written(), {"held": held, **known})
    return held * (_ABSENT if features.absent else 1.0)


def _chance(weights: Mapping[str, float], values: Mapping[str, float]) -> float:
    total = weights["constant"] + sum(weight * values[name] for name, weight in weights.items() if name != "constant")
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, total))))


def answerable(features: Features) -> bool:
    """Whether the support is at least the one that was chosen when the model was fitted."""
    return support(features) >= coefficients.answerable_from(with_cosines=features.closest is not None)


def _own(index: SentenceIndex, at: int) -> set[str]:
    return set(index.terms[at]) | index.above(at)


def _near(index: SentenceIndex, wanted: Wanted, best: Sequence[int]) -> set[str]:
    """The words of these sentences, what is above them, of their neighbours, and of the best one's document."""
    found = set(index.held_by_document(wanted.weights, best[0])) if best else set[str]()
    for at in best:
        block = index.sentences[at].block
        for near in range(max(0, at - _NEIGHBOURS), min(len(index.sentences), at + _NEIGHBOURS + 1)):
            if index.sentences[near].block == block:
                found |= _own(index, near)
    return found


def _share(weights: dict[str, float], held: Set[str]) -> float:
    return sum(weight for term, weight in weights.items() if term in held)


def _names_missing(index: SentenceIndex, question: str, wanted: Wanted, best: Sequence[int]) -> float:
    """Of single names and numbers, and of those that follow each other, as first and last names do."""
    named = _named(question)
    single = set(named) - {""}
    pairs = [pair for pair in pairwise(named) if all(pair)]
    if not single or not best:
        return 0.0
    near = _near(index, wanted, best)
    missing = len(single - near) + sum(not index.holds_together(*pair, best[0]) for pair in pairs)
    return missing / (len(single) + len(pairs))


def _named(question: str) -> list[str]:
    """The terms of the question's names (capital letters behind the first word) and numbers; "" for what is none."""
    named: list[str] = []
    for place, token in enumerate(tokens_of(question[:_QUESTION_CHARACTERS])):
        word = question[token.start : token.end]
        is_named = (place > 0 and word[0].isupper()) or word[0].isdecimal()
        named.append(term_of(word[:_NAME_CHARACTERS]) if is_named else "")
    return named[:_QUESTION_WORDS]


def _missing(wanted: Set[str], held: Set[str]) -> float:
    return len(wanted - held) / len(wanted) if wanted else 0.0
