"""Finds candidate passages by their words, in a time that does not grow with how common the words are."""

import math
from typing import Any, Final

import apsw
import msgspec

from library.store.records import Found, StoredPassage
from library.store.rows import query_all, query_one
from library.store.scope import HIDDEN, VISIBLE, Scope
from library.store.vectors import numbers_in
from library.store.versions import BLOCK_CHARS, unpack

MAX_TERMS: Final = 32
_MATCHES: Final = 30_000
"""About so many passages are scored for one query: the commonest of its words are then left to the ranking."""
_LEAST_TERMS: Final = 2
_MATCHES_IN_DOCUMENTS: Final = 1000


_COUNTED: Final = 10_000
"""In a part of the store a term that more passages hold counts as held by so many: enough to be common."""


def _counts_in_all(db: apsw.Connection, terms: list[str]) -> dict[str, int]:
    """In how many passages of the whole store each term is; those that are nowhere are left out."""
    rows = query_all(
        db,
        "SELECT term, doc FROM words_vocabulary WHERE term IN (SELECT value FROM json_each(?))",
        (msgspec.json.encode(terms).decode(),),
    )
    return {row[0]: int(row[1]) for row in rows}


def passage_count(db: apsw.Connection) -> int:
    """Of the whole store."""
    return int(query_one(db, "SELECT coalesce(sum(last - first + 1), 0) FROM versions"))


def _counts_in(db: apsw.Connection, terms: list[str], scope: Scope) -> dict[str, int]:
    """The same for a scope."""
    sql = "SELECT count(*) FROM (SELECT 1 FROM words WHERE words MATCH ? LIMIT ?)"
    everything = msgspec.structs.replace(scope, with_hidden=True)
    counts = {term: int(query_one(db, sql, (_expression(term, everything), _COUNTED))) for term in terms}
    return {term: count for term, count in counts.items() if count}


class Weights:
    """How much each term of a query counts: how rare it is among the passages that its asker may read, from 0 to 1."""

    def __init__(self, passages: int, counts: dict[str, int], *, is_bounded: bool = True) -> None:
        self._passages = passages
        self.counts = counts
        self.is_bounded = is_bounded
        """False: also the commonest terms are looked for."""

    def of(self, term: str) -> float:
        """The logarithm of the inverse share of passages that hold it (as in BM25)."""
        held = min(self.counts.get(term, 0), self._passages)
        return math.log(1 + (self._passages - held + 0.5) / (held + 0.5)) / math.log(2 + 2 * self._passages)

    def all_counted(self) -> "Weights":
        """The same, for a few documents: all of their passages that match can be counted."""
        return Weights(self._passages, self.counts, is_bounded=False)


def weights_of(db: apsw.Connection, terms: list[str], known: Scope) -> Weights:
    """For the terms that the scope holds at all. What is outside of it changes nothing: scores would tell of it."""
    count = sum(last - first + 1 for first, last in numbers_in(db, known))
    if count == passage_count(db):
        return Weights(count, _counts_in_all(db, terms))
    return Weights(count, {} if known.is_empty else _counts_in(db, terms, known))


def chosen_terms(weights: Weights) -> list[str]:
    """The rarest terms, as many as can be counted in a bounded time."""
    chosen: list[str] = []
    matches = 0
    for term, count in sorted(weights.counts.items(), key=lambda entry: entry[1]):
        matches += count
        is_enough = weights.is_bounded and len(chosen) >= _LEAST_TERMS and matches > _MATCHES
        if is_enough or len(chosen) == MAX_TERMS:
            break
        chosen.append(term)
    return chosen


def find(db: apsw.Connection, weights: Weights, scope: Scope, limit: int) -> list[Found]:
    """The passages of a scope that hold most of the terms by weight, best first.

    Not by FTS5's bm25(): it counts each term's passages anew and reads the length of each passage that matches, which
    takes several times as long, and passages are about equally long.
    """
    chosen = chosen_terms(weights)
    if not chosen or scope.is_empty:
        return []
    holders = " UNION ALL ".join(["SELECT rowid AS passage, ? AS weight FROM words WHERE words MATCH ?"] * len(chosen))
    parameters = [part for term in chosen for part in (weights.of(term), _expression(term, scope))]
    rows = query_all(
        db,
        f"SELECT passage, sum(weight) AS held FROM ({holders}) GROUP BY passage ORDER BY held DESC, passage LIMIT ?",  # noqa: S608  # only question marks
        (*parameters, limit),
    )
    return [Found(row[0], row[1]) for row in rows]


def has_phrase(db: apsw.Connection, terms: list[str], scope: Scope) -> bool:
    """Whether any passage of a scope holds the terms side by side."""
    if scope.is_empty:
        return False
    expression = _expression(" ".join(terms), scope)
    return bool(query_all(db, "SELECT 1 FROM words WHERE words MATCH ? LIMIT 1", (expression,)))


def find_in(db: apsw.Connection, weights: Weights, documents: list[str], each: int, *, with_hidden: bool) -> list[int]:
    """Of each document, the few passages that hold most of the terms by weight."""
    scope = Scope(documents=tuple(documents), with_hidden=with_hidden)
    found = find(db, weights.all_counted(), scope, _MATCHES_IN_DOCUMENTS)
    ranges = query_all(
        db,
        "SELECT v.first, v.last FROM documents d JOIN versions v ON v.ver = d.ver"
        " WHERE d.id IN (SELECT value FROM json_each(?))",
        (msgspec.json.encode(documents).decode(),),
    )
    return [
        number
        for first, last in ranges
        for number in [one.passage for one in found if first <= one.passage <= last][:each]
    ]


def _expression(term: str, scope: Scope) -> str:
    """A query in FTS5's language. Only letters and digits are between its quotes."""
    seen = [VISIBLE, HIDDEN] if scope.with_hidden else [VISIBLE]
    return f'scope : ({_any(scope.tokens())}) AND scope : ({_any(seen)}) AND {{context body}} : "{term}"'


def _any(tokens: list[str]) -> str:
    return " OR ".join(f'"{token}"' for token in tokens)


def load(db: apsw.Connection, numbers: list[int]) -> list[StoredPassage]:
    """Passages with their texts, in the order asked; those that have gone meanwhile are left out."""
    rows = query_all(
        db,
        "SELECT p.passage, d.id, v.id, d.space, v.name, p.page, p.start, p.end, p.context, p.sentences, p.hidden, p.ver"
        " FROM passages p JOIN versions v USING(ver) JOIN documents d USING(doc)"
        " WHERE p.passage IN (SELECT value FROM json_each(?)) AND d.state <> 'erasing'",
        (msgspec.json.encode(numbers).decode(),),
    )
    found = {row[0]: _passage(db, row) for row in rows}
    return [found[number] for number in numbers if number in found]


def _passage(db: apsw.Connection, row: Any) -> StoredPassage:
    number, document, version, space, name, page, start, end, context, sentences, hidden, ver = row
    return StoredPassage(
        number=number,
        document=document,
        version=version,
        space=space,
        name=name,
        page=page,
        start=start,
        end=end,
        context=context,
        text=text_of(db, ver, start, end),
        sentences=unpack(sentences),
        is_hidden=bool(hidden),
    )


def text_of(db: apsw.Connection, ver: int, start: int, end: int) -> str:
    """`canonical text[start:end]`."""
    rows = query_all(
        db,
        # SQLite counts characters from 1; a block is cut there, so that no more than is needed is decoded.
        "SELECT substr(text, max(?2 - start, 0) + 1, min(?3, end) - max(?2, start)) FROM texts"
        " WHERE ver = ?1 AND start >= ?4 AND start < ?3 ORDER BY start",
        (ver, start, end, start - start % BLOCK_CHARS),
    )
    return "".join(row[0] for row in rows)
