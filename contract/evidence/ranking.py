"""Orders the sentences of a text by how likely they are to answer a question: by words and, where given, by cosines.

Each sentence gets a handful of features; a linear model with the coefficients of `coefficients.json` adds them up.
Knows similarities of vectors, not who makes the vectors.
"""

import heapq
import math
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
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
_LOOK_ALIKE: Final = 0.5
"""The share of a document's words from which on that most others hold it is one of many from one template."""

FEATURES: Final = (
    "covered", "covered_rare", "covered_times_most", "above", "before", "paragraph", "document", "pairs", "kind_number",
    "kind_date", "kind_person", "kind_place", "length", "is_heading", "pronoun",
    "cosine", "cosine_uncovered", "cosine_before", "cosine_after", "cosine_near",
)  # fmt: skip
"""In the order in which `features` returns them."""
_DOCUMENT: Final = FEATURES.index("document")


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

    def __init__(self, text: str, sentences: Sequence[Sentence], documents: Sequence[int] | None = None) -> None:
        """`documents`: for each sentence the number of its document, where the text is several joined together."""
        self.text = text
        self.sentences = sentences
        self._documents = documents
        self._holders: dict[str, frozenset[int]] = {}
        self._count = len(set(documents)) if documents else 1
        self._above: dict[tuple[int, int], frozenset[str]] = {}
        self.terms = [terms_of(text, sentence.start, sentence.end) for sentence in sentences]
        self.postings: dict[str, list[int]] = {}
        for index, terms in enumerate(self.terms):
            for term in set(terms):
                self.postings.setdefault(term, []).append(index)

    @property
    def has_documents(self) -> bool:
        """Whether the text is several documents joined together."""
        return self._documents is not None

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
        covered = min(1.0, row[0] + row[3] + row[6])
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
        covered = self._with_documents(wanted, self.covered(wanted.weights))
        if cosines is None:
            # A neighbour of a sentence that holds the words may hold the answer.
            near = heapq.nlargest(CANDIDATES, covered, key=lambda index: (covered[index], -index))
            spread = [step for index in near for step in (index, index + 1, index - 1)]
            return sorted([step for step in dict.fromkeys(spread) if 0 <= step < len(self.sentences)][: 2 * CANDIDATES])
        guess = {index: cosine + _FIRST_GUESS * covered.get(index, 0.0) for index, cosine in enumerate(cosines)}
        return sorted(heapq.nlargest(CANDIDATES, guess, key=lambda index: (guess[index], -index)))

    def held_by_document(self, terms: Iterable[str], index: int) -> frozenset[str]:
        """Which of the terms the sentence's document holds anywhere; none of them where there is one document only."""
        if self._documents is None:
            return frozenset()
        own = self._documents[index]
        return frozenset(term for term in terms if own in self._documents_of(term))

    def holds_together(self, first: str, second: str, index: int) -> bool:
        """Whether the two terms stand side by side anywhere in the sentence's document."""
        both = set(self.postings.get(first, ())).intersection(self.postings.get(second, ()))
        own = self._documents[index] if self._documents else None
        return any(
            (first, second) in pairwise(self.terms[other])
            for other in both
            if self._documents is None or self._documents[other] == own
        )

    def _documents_of(self, term: str) -> Set[int]:
        if term not in self._holders:
            documents = self._documents or ()
            self._holders[term] = frozenset(documents[index] for index in self.postings.get(term, ()))
        return self._holders[term]

    def _with_documents(self, wanted: Wanted, covered: dict[int, float]) -> dict[int, float]:
        """What a sentence holds, and half of what only its document holds: of look-alikes the right one."""
        if self._documents is None:
            return covered
        held: dict[int, float] = {}
        for term, weight in wanted.weights.items():
            for document in self._documents_of(term):
                held[document] = held.get(document, 0.0) + weight
        return {
            index: (covered.get(index, 0.0) + held[document]) / 2
            for index, document in enumerate(self._documents)
            if document in held
        }

    def features(
        self, wanted: Wanted, chosen: Sequence[int], cosines: Sequence[float] | None
    ) -> list[tuple[int, list[float]]]:
        """A row of `FEATURES` for each chosen sentence."""
        wanted, picks = self._by_level(wanted)
        covered, rare = self.covered(wanted.weights), self.covered(wanted.rare)
        most = max(covered.values(), default=0.0)
        asked = frozenset(wanted.weights)
        rows = []
        for index in chosen:
            by_words = self._by_words(index, wanted, asked, covered, rare, most)
            if picks:
                by_words[_DOCUMENT] = sum(picks[term] for term in self.held_by_document(picks, index))
            rows.append((index, [*by_words, *self._by_cosine(index, cosines, most)]))
        return rows

    def _by_level(self, wanted: Wanted) -> tuple[Wanted, dict[str, float]]:
        """Of look-alikes: what is asked of a sentence, and apart from it the terms that pick the document.

        In contracts from one template a party's name picks the contract, the other words pick the clause: a sentence
        that only has the name is no better than its neighbours.
        """
        if not self._are_look_alikes:
            return wanted, {}
        picks = {term: weight for term, weight in wanted.weights.items() if self._is_of_few(term)}
        if not picks or len(picks) == len(wanted.weights):
            return wanted, {}
        return wanted._replace(
            weights=_shares({term: weight for term, weight in wanted.weights.items() if term not in picks}),
            rare=_shares({term: weight for term, weight in wanted.rare.items() if term not in picks}),
            pairs=frozenset(pair for pair in wanted.pairs if not picks.keys() & pair),
        ), _shares(picks)

    @cached_property
    def _are_look_alikes(self) -> bool:
        """Whether most words of the documents are in most of the others too."""
        held = [len(self._documents_of(term)) for term in self.postings] if self._count > 1 else []
        common = sum(count for count in held if 2 * count >= self._count)
        return common >= _LOOK_ALIKE * sum(held) > 0

    def _is_of_few(self, term: str) -> bool:
        return 0 < 2 * len(self._documents_of(term)) < self._count

    def _by_words(
        self, index: int, wanted: Wanted, asked: frozenset[str], covered: dict[int, float],
        rare: dict[int, float], most: float,
    ) -> list[float]:  # fmt: skip
        sentence = self.sentences[index]
        own = covered.get(index, 0.0)
        terms = self.terms[index]
        missing = asked.difference(terms)
        above = sum(wanted.weights[term] for term in missing & self.above(index))
        document = sum(wanted.weights[term] for term in self.held_by_document(missing, index))
        before = self._lent(wanted, missing, index)
        words = self.text[sentence.start : sentence.end]
        kind = has_kind(wanted.kind, words, asked)
        kinds = [kind if wanted.kind == name else 0.0 for name in ("number", "date", "person", "place")]
        starts_with_pronoun = words[:8].lower().startswith(_PRONOUNS)
        return [
            own, rare.get(index, 0.0), own * most, above, before, self._paragraph(wanted, missing, index),
            document, _near(terms, wanted.pairs), *kinds, math.log(1 + len(terms)), float(sentence.kind == "heading"),
            before if starts_with_pronoun else 0.0,
        ]  # fmt: skip

    def _lent(self, wanted: Wanted, missing: frozenset[str], index: int) -> float:
        """What the sentence before, in the same paragraph, holds of the words that the sentence lacks."""
        if not index or self.sentences[index - 1].block != self.sentences[index].block:
            return 0.0
        return sum(wanted.weights[term] for term in missing.intersection(self.terms[index - 1]))

    def _paragraph(self, wanted: Wanted, missing: frozenset[str], index: int) -> float:
        """What the paragraph within three sentences holds of the words that the sentence lacks."""
        block, found = self.sentences[index].block, set[str]()
        for other in range(max(0, index - 3), min(len(self.sentences), index + 4)):
            if other != index and self.sentences[other].block == block:
                found |= missing.intersection(self.terms[other])
        return sum(wanted.weights[term] for term in found)

    def _by_cosine(self, index: int, cosines: Sequence[float] | None, most: float) -> list[float]:
        """Where words cover less of the question, similarity counts for more; neighbours show the topic."""
        if cosines is None:
            return [0.0] * 5
        own = float(cosines[index])
        before = float(cosines[index - 1]) if index else 0.0
        after = float(cosines[index + 1]) if index + 1 < len(cosines) else 0.0
        block = self.sentences[index].block
        near = [
            float(cosines[other])
            for other in range(max(0, index - 3), min(len(cosines), index + 4))
            if other != index and self.sentences[other].block == block
        ]
        return [own, own * (1 - most), before, after, sum(near) / len(near) if near else own]


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
