"""Both kinds of vectors searched as one: those that read every language, and those of English passages.

A passage counts by the kinds that it and the query have; one that has none of them yet is found by its words.
"""

from typing import NamedTuple

from contract.embedding import Embedders, QueryVectors
from contract.embedding.embedders import joined
from library.search.meaning import Floats, Meaning
from library.store.records import EmbedderNames
from library.store.scope import Scope
from library.store.sqlite import SqliteStore
from library.store.vectors import ENGLISH, WHOLE


class Meanings(NamedTuple):
    """Safe in any thread."""

    whole: Meaning
    english: Meaning | None

    @classmethod
    def of(cls, store: SqliteStore, embedders: Embedders) -> "Meanings":
        whole, english = embedders
        return cls(
            Meaning(store, WHOLE, whole.name, whole.dimensions),
            Meaning(store, ENGLISH, english.name, english.dimensions) if english else None,
        )

    def refresh(self) -> None:
        """Take in the vectors that were stored since."""
        for one in filter(None, self):
            one.refresh()

    def forget(self) -> None:
        """Drop all vectors and load what the store still has: after an erasure."""
        for one in filter(None, self):
            one.forget()

    def find(self, query: QueryVectors, scope: Scope, limit: int) -> dict[int, Floats]:
        """The passages of a scope that are nearest to the query; under each, the cosines of its sentences."""
        whole = self.whole.find(query.whole, scope, limit)
        if self.english is None or query.english is None:
            return whole
        near = [*whole, *self.english.find(query.english, scope, limit)]
        cosines = self.cosines(query, list(dict.fromkeys(near)))
        best = sorted(cosines, key=lambda number: -float(cosines[number].max(initial=-1)))[:limit]
        return {number: cosines[number] for number in best}

    def cosines(self, query: QueryVectors, numbers: list[int]) -> dict[int, Floats]:
        """Under each passage that has vectors: the cosines of its sentences."""
        whole = self.whole.cosines(query.whole, numbers)
        if self.english is None or query.english is None:
            return whole
        english = self.english.cosines(query.english, numbers)
        both = {number: joined(whole[number], english[number]) for number in english if number in whole}
        return whole | english | both


def names_of(embedders: Embedders | None) -> EmbedderNames:
    """What their vectors are stored under."""
    if embedders is None:
        return EmbedderNames()
    return EmbedderNames(embedders.whole.name, embedders.english.name if embedders.english else "")
