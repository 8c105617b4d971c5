"""Finds the passages that answer a query best: candidates by words and by meaning, ranked together by score.

Which passages it may see is the caller's scope. The order is `contract.evidence`'s, over the candidates' sentences.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from contract.evidence.ranking import Scored, SentenceIndex
from contract.evidence.sentences import Sentence as Cut
from contract.library_messages import Hit, SentenceHit
from library.search.meaning import Meaning
from library.store.records import Found, StoredPassage
from library.store.scope import Scope
from library.store.sqlite import SqliteStore
from library.store.terms import indexed

BY_WORDS: Final = 40
BY_MEANING: Final = 24
"""Candidates of each kind."""
_WORDS_WEIGHT: Final = 0.15
"""What the best passage by BM25 gets on top of its best sentence's score."""

EmbedQuery: TypeAlias = Callable[[str], NDArray[np.float32]]


class Candidates(NamedTuple):
    """Candidates, the score of their words (0 to 1), and the cosines of their sentences."""

    passages: list[StoredPassage]
    words: dict[int, float]
    cosines: dict[int, NDArray[np.float32]]


class Search:
    """Searches one store; with an embedder also by meaning. Safe in any thread."""

    def __init__(self, store: SqliteStore, meaning: Meaning | None = None, embed: EmbedQuery | None = None) -> None:
        self._store = store
        self._meaning = meaning
        self._embed = embed

    @property
    def has_vectors(self) -> bool:
        return self._meaning is not None and self._embed is not None

    def find(self, query: str, scope: Scope, limit: int) -> list[Hit]:
        """The best passages of a scope, best first."""
        found = self._candidates(query, scope, limit)
        if not found.passages:
            return []
        ranked = _Ranked(found)
        scored = ranked.scored(query)
        best = sorted(found.passages, key=lambda one: -_score(one, scored, found.words))
        return [_hit(one, scored.get(one.number, []), _score(one, scored, found.words), ranked) for one in best[:limit]]

    def _candidates(self, query: str, scope: Scope, limit: int) -> Candidates:
        by_words = self._store.find_words(indexed(query).split(), scope, max(BY_WORDS, limit))
        cosines: dict[int, NDArray[np.float32]] = {}
        numbers = [one.passage for one in by_words]
        if self._meaning and self._embed:
            vector = self._embed(query)
            cosines = self._meaning.find(vector, scope, max(BY_MEANING, limit))
            numbers += [number for number in cosines if number not in set(numbers)]
            cosines |= self._meaning.cosines(vector, [number for number in numbers if number not in cosines])
        passages = [one for one in self._store.load(numbers) if scope.with_hidden or not one.is_hidden]
        return Candidates(passages, _shares(by_words), cosines)


def _shares(found: Sequence[Found]) -> dict[int, float]:
    """BM25 as shares of the best one's."""
    most = max((one.score for one in found), default=0.0) or 1.0
    return {one.passage: max(one.score, 0.0) / most for one in found}


class _Ranked:
    """All candidates' sentences as one text, which is what is ranked."""

    def __init__(self, found: Candidates) -> None:
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
                cuts.append(Cut(base + one.start, base + one.end, one.kind, above, block + one.block))  # type: ignore[arg-type]  # as it was cut
                self._owner.append((passage, index))
            position = base + len(passage.text) + 1
            block += 1 + max((one.block for one in passage.sentences), default=0)
        self._index = SentenceIndex("".join(text), cuts)

    def scored(self, query: str) -> dict[int, list[Scored]]:
        """The sentences that rank, best first, under their passages' numbers."""
        by_passage: dict[int, list[Scored]] = {}
        for one in self._index.rank(query, self._cosines(), limit=len(self._owner)):
            by_passage.setdefault(self._owner[one.index][0].number, []).append(one)
        return by_passage

    def place(self, scored: Scored) -> tuple[int, int]:
        """Where a sentence stands in its canonical text."""
        passage, index = self._owner[scored.index]
        sentence = passage.sentences[index]
        return passage.start + sentence.start, passage.start + sentence.end

    def _cosines(self) -> list[float] | None:
        """One a sentence; a passage without vectors yet gets what is usual among the others."""
        if not self._found.cosines:
            return None
        usual = float(np.median(np.concatenate(list(self._found.cosines.values()))))
        return [
            float(known[index]) if (known := self._found.cosines.get(passage.number)) is not None else usual
            for passage, index in self._owner
        ]


def _score(passage: StoredPassage, scored: dict[int, list[Scored]], words: dict[int, float]) -> float:
    ranked = scored.get(passage.number)
    by_words = _WORDS_WEIGHT * words.get(passage.number, 0.0)
    # Behind all that were ranked, in the order of their words.
    return ranked[0].score + by_words if ranked else by_words - 1e3


def _hit(passage: StoredPassage, scored: list[Scored], score: float, ranked: _Ranked) -> Hit:
    sentences = [
        SentenceHit(start=start, end=end, score=one.score, coverage=one.coverage, cosine=one.cosine)
        for one in scored
        for start, end in [ranked.place(one)]
    ]
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
        sentences=sentences,
    )
