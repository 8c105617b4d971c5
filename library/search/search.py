"""Finds the passages that answer a query best: candidates by words and by meaning, ranked together by score.

Which passages it may see is the caller's scope. The order is `contract.evidence`'s, over the candidates' sentences.
"""

import heapq
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from contract.embedding import QueryVectors
from contract.evidence.names import name_pairs
from contract.evidence.ranking import Scored, SentenceIndex
from contract.evidence.sentences import Kind
from contract.evidence.sentences import Sentence as Cut
from contract.evidence.words import terms_of
from contract.search_messages import Hit, SentenceHit
from library.search.meanings import Meanings
from library.store.records import Found, StoredPassage
from library.store.scope import Scope
from library.store.sqlite import SqliteStore
from library.store.terms import indexed, token_of
from library.store.words import Weights

BY_WORDS: Final = 40
BY_MEANING: Final = 24
"""Candidates of each kind."""
BEST_DOCUMENTS: Final = 4
PASSAGES_EACH: Final = 4
"""So much more is read of so many documents that hold most of a query."""
KEPT_BY_WORDS: Final = 12
KEPT_BY_MEANING: Final = 12
_WORDS_WEIGHT: Final = 0.15
"""What the best passage by words gets on top of its best sentence's score."""
_DOCUMENT_WEIGHT: Final = 4.0
"""What a passage gets whose document holds all of the query."""

EmbedQuery: TypeAlias = Callable[[str], QueryVectors | None]
"""None: there are no vectors now."""


class Candidates(NamedTuple):
    """Candidates, the score of their words (0 to 1), and the cosines of their sentences."""

    passages: list[StoredPassage]
    words: dict[int, float]
    cosines: dict[int, NDArray[np.float32]]


def narrowed(found: Candidates, documents: dict[str, float]) -> Candidates:
    """The best of them: by their documents and words, and by meaning. Only some sentences are ranked closely."""
    by_words = heapq.nlargest(
        KEPT_BY_WORDS,
        found.passages,
        key=lambda one: documents.get(one.document, 0.0) + found.words.get(one.number, 0.0),
    )
    by_meaning = heapq.nlargest(
        KEPT_BY_MEANING,
        [one for one in found.passages if one.number in found.cosines],
        key=lambda one: float(found.cosines[one.number].max(initial=-1.0)),
    )
    kept = {one.number for one in (*by_words, *by_meaning)}
    return found._replace(passages=[one for one in found.passages if one.number in kept])


class Search:
    """Searches one store; with an embedder also by meaning. Safe in any thread."""

    def __init__(self, store: SqliteStore, meaning: Meanings | None = None, embed: EmbedQuery | None = None) -> None:
        self._store = store
        self._meaning = meaning
        self._embed = embed

    @property
    def has_vectors(self) -> bool:
        return self._meaning is not None and self._embed is not None

    def refresh(self) -> None:
        """Take in the vectors that were stored since."""
        if self._meaning:
            self._meaning.refresh()

    def find(self, query: str, scope: Scope, limit: int, known: Scope | None = None) -> list[Hit]:
        """The best passages of a scope, best first. `known`: all that the asker may read, which weighs the words."""
        terms = list(dict.fromkeys(indexed(query).split()))
        vectors = self._embed(query) if self._embed else None
        weights = self._store.weights(terms, known or scope)
        found = self._candidates(weights, vectors, scope, limit)
        if not found.passages:
            return []
        ranked = Ranked(found, weights)
        documents = ranked.documents(query)
        if more := self._of_best_documents(weights, documents, found, scope):
            found = self._with(narrowed(found, documents), more, vectors)
            ranked = Ranked(found, weights)
            documents = ranked.documents(query)
        return ranked.hits(query, documents, limit)

    def names_absent(self, query: str, scope: Scope, hits: Sequence[Hit]) -> bool:
        """Whether the query has a name of which no document of the scope holds two neighbouring words, nor its name."""
        named = {pair for hit in hits for pair in pairwise(terms_of(hit.name))}
        return any(
            pair not in named and not self._store.has_phrase([token_of(term) for term in pair], scope)
            for pair in name_pairs(query)
        )

    def _candidates(self, weights: Weights, vectors: QueryVectors | None, scope: Scope, limit: int) -> Candidates:
        by_words = self._store.find_words(weights, scope, max(BY_WORDS, limit))
        cosines: dict[int, NDArray[np.float32]] = {}
        numbers = [one.passage for one in by_words]
        if self._meaning and vectors is not None:
            cosines = self._meaning.find(vectors, scope, max(BY_MEANING, limit))
            seen = set(numbers)
            numbers += [number for number in cosines if number not in seen]
            cosines |= self._meaning.cosines(vectors, [number for number in numbers if number not in cosines])
        return Candidates(self._loaded(numbers, scope), _shares(by_words), cosines)

    def _loaded(self, numbers: list[int], scope: Scope) -> list[StoredPassage]:
        return [one for one in self._store.load(numbers) if scope.with_hidden or not one.is_hidden]

    def _of_best_documents(
        self, weights: Weights, documents: dict[str, float], found: Candidates, scope: Scope
    ) -> list[StoredPassage]:
        """More of the documents that hold most of the query: who is named in one passage pays the rent of another."""
        best = heapq.nlargest(BEST_DOCUMENTS, documents, key=lambda document: documents[document])
        seen = {one.number for one in found.passages}
        more = self._store.find_in(weights, best, PASSAGES_EACH, with_hidden=scope.with_hidden)
        return self._loaded([number for number in more if number not in seen], scope)

    def _with(self, found: Candidates, more: list[StoredPassage], vectors: QueryVectors | None) -> Candidates:
        cosines = found.cosines
        if self._meaning and vectors is not None:
            cosines = cosines | self._meaning.cosines(vectors, [one.number for one in more])
        return Candidates([*found.passages, *more], found.words, cosines)


def _shares(found: Sequence[Found]) -> dict[int, float]:
    """As shares of the best one's."""
    most = max((one.score for one in found), default=0.0) or 1.0
    return {one.passage: max(one.score, 0.0) / most for one in found}


class _Index(SentenceIndex):
    """Weighs terms by how rare they are in all that the asker may read."""

    def __init__(self, text: str, sentences: Sequence[Cut], weights: Weights) -> None:
        super().__init__(text, sentences)
        self._store_weights = weights

    def _rarity(self, term: str) -> float:
        return self._store_weights.of(token_of(term))


class Ranked:
    """All candidates' sentences as one text, which is what is ranked."""

    def __init__(self, found: Candidates, weights: Weights) -> None:
        self._found = found
        self._owner: list[tuple[StoredPassage, int]] = []
        """For each sentence: its passage, and which of its sentences it is."""
        text: list[str] = []
        cuts: list[Cut] = []
        position = block = 0
        for passage in found.passages:
            text += [passage.context, passage.text, "\n"]
            base = position + len(passage.context)
            for index, one in enumerate(passage.sentences):
                above = tuple((position + start, position + end) for start, end in one.above)
                kind = cast(Kind, one.kind)
                cuts.append(Cut(base + one.start, base + one.end, kind, above, block + one.block))
                self._owner.append((passage, index))
            position = base + len(passage.text) + 1
            block += 1 + max((one.block for one in passage.sentences), default=0)
        self._index = _Index("".join(text), cuts, weights)

    def documents(self, query: str) -> dict[str, float]:
        """The share of the query's words, weighted, that each document's candidates hold together, name included."""
        weights = self._index.wanted(query).weights
        held: dict[str, set[str]] = {}
        for term in weights:
            for index in self._index.postings.get(term, ()):
                held.setdefault(self._owner[index][0].document, set()).add(term)
        for passage in self._found.passages:
            held.setdefault(passage.document, set()).update(terms_of(passage.name))
        return {document: sum(weights.get(term, 0.0) for term in terms) for document, terms in held.items()}

    def hits(self, query: str, documents: dict[str, float], limit: int) -> list[Hit]:
        """The best passages, best first."""
        by_passage: dict[int, list[Scored]] = {}
        for one in self._index.rank(query, self._cosines(), limit=len(self._owner)):
            by_passage.setdefault(self._owner[one.index][0].number, []).append(one)
        scores = {one.number: self._score(one, by_passage, documents) for one in self._found.passages}
        best = heapq.nlargest(limit, self._found.passages, key=lambda one: scores[one.number])
        return [self._hit(one, by_passage.get(one.number, []), scores[one.number]) for one in best]

    def _score(self, passage: StoredPassage, by_passage: dict[int, list[Scored]], documents: dict[str, float]) -> float:
        ranked = by_passage.get(passage.number)
        beside = _WORDS_WEIGHT * self._found.words.get(passage.number, 0.0)
        beside += _DOCUMENT_WEIGHT * documents.get(passage.document, 0.0)
        # Behind all that were ranked, in the order of their words.
        return ranked[0].score + beside if ranked else beside - 1e3

    def _hit(self, passage: StoredPassage, scored: list[Scored], score: float) -> Hit:
        return Hit(
            document=passage.document,
            version=passage.version,
            space=passage.space,
            name=passage.name,
            page=passage.page,
            start=passage.start,
            end=passage.end,
            text=passage.text,
            score=score,
            coverage=max((one.coverage for one in scored), default=0.0),
            cosine=max((one.cosine for one in scored if one.cosine is not None), default=None),
            sentences=[self._sentence(one) for one in scored],
        )

    def _sentence(self, scored: Scored) -> SentenceHit:
        passage, index = self._owner[scored.index]
        sentence = passage.sentences[index]
        return SentenceHit(
            start=passage.start + sentence.start,
            end=passage.start + sentence.end,
            score=scored.score,
            coverage=scored.coverage,
            cosine=scored.cosine,
        )

    def _cosines(self) -> list[float] | None:
        """One a sentence; a passage without vectors yet gets what is usual among the others."""
        if not self._found.cosines:
            return None
        usual = float(np.median(np.concatenate(list(self._found.cosines.values()))))
        return [
            float(known[index]) if (known := self._found.cosines.get(passage.number)) is not None else usual
            for passage, index in self._owner
        ]
