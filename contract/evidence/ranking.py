"""Orders the sentences of a text by how likely they are to answer a question: by words and, where given, by cosines.

Each sentence gets a handful of features; a linear model with the coefficients of `coefficients.json` adds them up.
Knows similarities of vectors, not who makes the vectors.
"""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from contract.evidence import coefficients
from contract.evidence.answer_kinds import has_kind
from contract.evidence.background import rarity
from contract.evidence.question import Asked, asked_kind
from contract.evidence.sentences import Sentence
from contract.evidence.words import terms_of

CANDIDATES: Final = 40
"""So many sentences are looked at closely, whatever the length of the text."""
_QUESTION_TERMS: Final = 64
_QUESTION_CHARACTERS: Final = 4_000
_PRONOUNS: Final = (
    "he ", "she ", "it ", "they ", "his ", "her ", "its ", "their ", "this ", "these ", "that ", "those ", "such ",
    "он ", "она ", "они ", "это ", "er ", "sie ", "il ", "elle ", "他", "她", "它", "这", "该",
)  # fmt: skip
_ABOVE_SHARE: Final = 0.5
_FIRST_GUESS: Final = 0.35

FEATURES: Final = (
    "covered", "covered_rare", "covered_times_most", "above", "before", "after", "paragraph", "pairs", "kind_number",
    "kind_date", "kind_person", "kind_place", "kind_reason", "length", "is_heading", "is_question", "pronoun",
    "cosine", "cosine_uncovered", "cosine_before", "cosine_after",
)  # fmt: skip
"""In the order in which `features` returns them."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A sentence and how it ranks."""

    index: int
    """Of the sentence, in the list that was ranked."""
    score: float
    """The larger the better; comparable within one question only."""
    coverage: float
    """The share of the question's words, weighted by rarity, that the sentence or what is above it holds: 0 to 1."""
    cosine: float | None


class Wanted(NamedTuple):
    """A question as the ranking sees it."""

    weights: dict[str, float]
    """Of each term; they add up to 1."""
    rare: dict[str, float]
    """The same, by the background table alone."""
    pairs: frozenset[tuple[str, str]]
    kind: Asked


class SentenceIndex:
    """The words of a text's sentences, ready for any number of questions.

    Building it reads the text once; a question then touches only the sentences that share a word with it.
    """

    def __init__(self, text: str, sentences: Sequence[Sentence]) -> None:
        self.text = text
        self.sentences = sentences
        self._above: dict[tuple[int, int], frozenset[str]] = {}
        self.terms = [terms_of(text, sentence.start, sentence.end) for sentence in sentences]
        self.postings: dict[str, list[int]] = {}
        for index, terms in enumerate(self.terms):
            for term in set(terms):
                self.postings.setdefault(term, []).append(index)

    def above(self, index: int) -> frozenset[str]:
        """The terms of the headings, the head of the table or the line above the list."""
        found: frozenset[str] = frozenset()
        for part in self.sentences[index].above:
            if part not in self._above:
                self._above[part] = frozenset(terms_of(self.text, *part))
            found |= self._above[part]
        return found

    def wanted(self, question: str) -> Wanted:
        """The question's terms, weighted by how rare they are in this text and elsewhere."""
        question = question[:_QUESTION_CHARACTERS]
        terms = terms_of(question)[:_QUESTION_TERMS]
        distinct = dict.fromkeys(terms)
        weights = {term: self._rarity(term) * (0.3 + rarity(term)) for term in distinct}
        rare = {term: rarity(term) ** 2 for term in distinct}
        pairs = frozenset(pairwise(terms))
        return Wanted(_shares(weights), _shares(rare), pairs, asked_kind(question))

    def _rarity(self, term: str) -> float:
        """The logarithm of the inverse share of sentences that hold it (as in BM25), from 0 to 1."""
        count, held = len(self.sentences), len(self.postings.get(term, ()))
        return math.log(1 + (count - held + 0.5) / (held + 0.5)) / math.log(2 + 2 * count)

    def rank(self, question: str, cosines: Sequence[float] | None = None, limit: int = 8) -> list[Scored]:
        """The best sentences, best first; see `rank`."""
        if cosines is not None and len(cosines) != len(self.sentences):
            raise ValueError(f"{len(cosines)} cosines for {len(self.sentences)} sentences")
        wanted = self.wanted(question)
        chosen = self.candidates(wanted, cosines)
        weights = coefficients.ranking(with_cosines=cosines is not None)
        scored = [self._scored(index, row, weights, cosines) for index, row in self.features(wanted, chosen, cosines)]
        return sorted(scored, key=lambda found: (-found.score, found.index))[:limit]

    def _scored(
        self, index: int, row: Sequence[float], weights: Sequence[float], cosines: Sequence[float] | None
    ) -> Scored:
        score = sum(value * weight for value, weight in zip(row, weights, strict=True))
        covered = min(1.0, row[0] + row[3])
        return Scored(index, score, covered, None if cosines is None else float(cosines[index]))

    def covered(self, wanted: dict[str, float]) -> dict[int, float]:
        """The share of the question's weight in each sentence that holds any of its words."""
        found: dict[int, float] = {}
        for term, weight in wanted.items():
            for index in self.postings.get(term, ()):
                found[index] = found.get(index, 0.0) + weight
        return found

    def candidates(self, wanted: Wanted, cosines: Sequence[float] | None) -> list[int]:
        """The sentences that are worth a closer look, in the text's order."""
        covered = self.covered(wanted.weights)
        if cosines is None:
            # A neighbour of a sentence that holds the words may hold the answer.
            near = heapq.nlargest(CANDIDATES, covered, key=lambda index: (covered[index], -index))
            spread = [step for index in near for step in (index, index + 1, index - 1)]
            return sorted([step for step in dict.fromkeys(spread) if 0 <= step < len(self.sentences)][: 2 * CANDIDATES])
        guess = {index: cosine + _FIRST_GUESS * covered.get(index, 0.0) for index, cosine in enumerate(cosines)}
        return sorted(heapq.nlargest(CANDIDATES, guess, key=lambda index: (guess[index], -index)))

    def features(
        self, wanted: Wanted, chosen: Sequence[int], cosines: Sequence[float] | None
    ) -> list[tuple[int, list[float]]]:
        """A row of `FEATURES` for each chosen sentence."""
        covered, rare = self.covered(wanted.weights), self.covered(wanted.rare)
        most = max(covered.values(), default=0.0)
        asked = frozenset(wanted.weights)
        return [
            (index, [*self._by_words(index, wanted, asked, covered, rare, most), *_by_cosine(index, cosines, most)])
            for index in chosen
        ]

    def _by_words(
        self, index: int, wanted: Wanted, asked: frozenset[str], covered: dict[int, float],
        rare: dict[int, float], most: float,
    ) -> list[float]:  # fmt: skip
        sentence = self.sentences[index]
        own = covered.get(index, 0.0)
        terms = self.terms[index]
        missing = asked.difference(terms)
        above = sum(wanted.weights[term] for term in missing & self.above(index))
        before, after = (self._lent(wanted, missing, index, step) for step in (-1, 1))
        words = self.text[sentence.start : sentence.end]
        kind = has_kind(wanted.kind, words, asked)
        kinds = [kind if wanted.kind == name else 0.0 for name in ("number", "date", "person", "place", "reason")]
        starts_with_pronoun = words[:8].lower().startswith(_PRONOUNS)
        return [
            own, rare.get(index, 0.0), own * most, above, before, after, self._paragraph(wanted, missing, index),
            _near(terms, wanted.pairs), *kinds, math.log(1 + len(terms)), float(sentence.kind == "heading"),
            float(words[-1:] in ("?", "？", "؟")), before if starts_with_pronoun else 0.0,
        ]  # fmt: skip

    def _lent(self, wanted: Wanted, missing: frozenset[str], index: int, step: int) -> float:
        """What the neighbour in the same paragraph holds of the words that the sentence lacks."""
        other = index + step
        if not 0 <= other < len(self.sentences) or self.sentences[other].block != self.sentences[index].block:
            return 0.0
        return sum(wanted.weights[term] for term in missing.intersection(self.terms[other]))

    def _paragraph(self, wanted: Wanted, missing: frozenset[str], index: int) -> float:
        """What the paragraph within three sentences holds of the words that the sentence lacks."""
        block, found = self.sentences[index].block, set[str]()
        for other in range(max(0, index - 3), min(len(self.sentences), index + 4)):
            if other != index and self.sentences[other].block == block:
                found |= missing.intersection(self.terms[other])
        return sum(wanted.weights[term] for term in found)


def rank(
    question: str, text: str, sentences: Sequence[Sentence], cosines: Sequence[float] | None = None, limit: int = 8
) -> list[Scored]:
    """The sentences that answer a question best, best first; at most `limit`.

    `cosines`: the similarity of the question's vector with that of each sentence, in the sentences' order. Without
    them only sentences that share a word with the question, and their neighbours, can be found.
    """
    return SentenceIndex(text, sentences).rank(question, cosines, limit)


def _shares(weights: dict[str, float]) -> dict[str, float]:
    total = sum(weights.values()) or 1.0
    return {term: weight / total for term, weight in weights.items()}


def _near(terms: Sequence[str], pairs: frozenset[tuple[str, str]]) -> float:
    """The share of the question's neighbouring words that are neighbours, or nearly, in the sentence."""
    if not pairs:
        return 0.0
    found = {
        (first, second)
        for step in (1, 2)
        for first, second in zip(terms, terms[step:], strict=False)
        if (first, second) in pairs
    }
    return len(found) / len(pairs)


def _by_cosine(index: int, cosines: Sequence[float] | None, most: float) -> list[float]:
    if cosines is None:
        return [0.0] * 4
    own = float(cosines[index])
    before = float(cosines[index - 1]) if index else 0.0
    after = float(cosines[index + 1]) if index + 1 < len(cosines) else 0.0
    return [own, own * (1 - most), before, after]
