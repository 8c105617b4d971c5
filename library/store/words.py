"""Finds candidate passages by their words, in a time that does not grow with how common the words are."""

from typing import Any, Final

import apsw
import msgspec

from library.store.records import Found, StoredPassage
from library.store.rows import query_all, query_one
from library.store.scope import HIDDEN, VISIBLE, Scope
from library.store.versions import BLOCK_CHARS, unpack

MAX_TERMS: Final = 32
_MATCHES: Final = 20_000
"""About so many passages are scored for one query: the commonest of its words are then left to the ranking."""
_LEAST_TERMS: Final = 2
_CONTEXT_WEIGHT: Final = 0.5


def document_counts(db: apsw.Connection, terms: list[str]) -> dict[str, int]:
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


def chosen_terms(counts: dict[str, int]) -> list[str]:
    """The rarest terms, as many as can be scored in a bounded time."""
    chosen: list[str] = []
    matches = 0
    for term, count in sorted(counts.items(), key=lambda entry: entry[1]):
        matches += count
        if (len(chosen) >= _LEAST_TERMS and matches > _MATCHES) or len(chosen) == MAX_TERMS:
            break
        chosen.append(term)
    return chosen


def find(db: apsw.Connection, terms: list[str], scope: Scope, limit: int) -> list[Found]:
    """The passages of a scope that hold any of the terms, by BM25, best first."""
    counts = document_counts(db, list(dict.fromkeys(terms)))
    # Of a few documents, all that match can be scored: the scope's own list is short.
    chosen = sorted(counts, key=lambda term: counts[term])[:MAX_TERMS] if scope.documents else chosen_terms(counts)
    if not chosen or scope.is_empty:
        return []
    rows = query_all(
        db,
        f"SELECT rowid, -bm25(words, 0.0, {_CONTEXT_WEIGHT}, 1.0) FROM words WHERE words MATCH ?"  # noqa: S608  # a number
        " ORDER BY rank LIMIT ?",
        (_expression(chosen, scope), limit),
    )
    return [Found(row[0], row[1]) for row in rows]


def _expression(terms: list[str], scope: Scope) -> str:
    """In FTS5's language. All that stands in quotes is letters and digits."""
    seen = [VISIBLE, HIDDEN] if scope.with_hidden else [VISIBLE]
    return f"scope : ({_any(scope.tokens())}) AND scope : ({_any(seen)}) AND {{context body}} : ({_any(terms)})"


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
