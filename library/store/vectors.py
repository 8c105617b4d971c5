"""Vectors in the store: each passage's as bytes of eight bits, each version's signs in one piece.

The signs, one bit a dimension, are what a search over all compares first; the bytes are for those that come near.
"""

import sys
from array import array
from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple

import apsw
import msgspec

from library.store.records import Unembedded
from library.store.rows import query_all, query_one
from library.store.scope import Scope


class Kind(NamedTuple):
    """Where one embedder's vectors are: two tables, and a column of `versions` with the name of the embedder."""

    vectors: str
    signs: str
    embedder: str


WHOLE: Final = Kind("vectors", "signs", "embedder")
"""Of the embedder that reads every language: of all sentences."""
ENGLISH: Final = Kind("english_vectors", "english_signs", "english_embedder")
"""Of the embedder for English: of English passages."""
KINDS: Final = (WHOLE, ENGLISH)
COUNTS: Final = "H"
"""How many sentences each passage has: two bytes each."""


class Packed(msgspec.Struct, frozen=True):
    """The vectors of a passage's sentences: signed bytes, and for each vector what they are multiplied by (float32)."""

    passage: int
    scales: bytes
    codes: bytes


class Signs(msgspec.Struct, frozen=True):
    """The signs of a version's vectors in the order of its sentences, and how many each of its passages has."""

    version: int
    first: int
    """The number of its first passage."""
    bits: bytes
    counts: bytes


def unembedded(db: apsw.Connection, kind: Kind, embedder: str, limit: int) -> list[Unembedded]:
    """Oldest first; before them those that have no vectors of any kind."""
    rows = query_all(
        db,
        "SELECT v.ver, d.id FROM versions v JOIN documents d ON d.ver = v.ver"  # noqa: S608  # constants
        f" WHERE v.{kind.embedder} <> ? AND d.state <> 'erasing'"
        f" ORDER BY {' AND '.join(_is_without(other) for other in KINDS)} DESC, v.ver LIMIT ?",
        (embedder, limit),
    )
    return [Unembedded(row[0], row[1]) for row in rows]


def _is_without(kind: Kind) -> str:
    return f"NOT EXISTS(SELECT 1 FROM {kind.signs} s WHERE s.ver = v.ver AND length(s.bits))"  # noqa: S608  # constants


def put(db: apsw.Connection, kind: Kind, version: int, embedder: str, packed: Sequence[Packed], signs: Signs) -> bool:
    """All vectors of a version; False: it is not found any more."""
    row: Any = query_one(
        db,
        "SELECT v.first, v.last FROM versions v JOIN documents d ON d.ver = v.ver WHERE v.ver = ?"
        " AND d.state <> 'erasing'",
        (version,),
    )
    if row is None:
        return False
    remove(db, kind, version, *row)
    db.executemany(
        f"INSERT INTO {kind.vectors} VALUES(?, ?, ?)",  # a constant
        ((one.passage, one.scales, one.codes) for one in packed),
    )
    db.execute(f"INSERT INTO {kind.signs} VALUES(?, ?, ?)", (version, signs.bits, signs.counts))
    db.execute(f"UPDATE versions SET {kind.embedder} = ? WHERE ver = ?", (embedder, version))  # noqa: S608
    return True


def remove(db: apsw.Connection, kind: Kind, version: int, first: int, last: int) -> None:
    """All vectors of a version, whose passages are numbered from `first` to `last`."""
    db.execute(f"DELETE FROM {kind.vectors} WHERE passage BETWEEN ? AND ?", (first, last))  # noqa: S608
    db.execute(f"DELETE FROM {kind.signs} WHERE ver = ?", (version,))  # noqa: S608
    db.execute(f"UPDATE versions SET {kind.embedder} = '' WHERE ver = ?", (version,))  # noqa: S608


def signs(db: apsw.Connection, kind: Kind, embedder: str, known: Collection[int]) -> list[Signs]:
    rows = query_all(
        db,
        f"SELECT v.ver, v.first, s.bits, s.counts FROM {kind.signs} s JOIN versions v USING(ver)"  # noqa: S608
        f" WHERE v.{kind.embedder} = ? AND v.ver NOT IN (SELECT value FROM json_each(?)) ORDER BY v.ver",
        (embedder, msgspec.json.encode(list(known)).decode()),
    )
    return [Signs(*row) for row in rows]


def load(db: apsw.Connection, kind: Kind, numbers: list[int]) -> dict[int, Packed]:
    rows = query_all(
        db,
        f"SELECT passage, scales, codes FROM {kind.vectors}"  # noqa: S608  # a constant
        " WHERE passage IN (SELECT value FROM json_each(?))",
        (msgspec.json.encode(numbers).decode(),),
    )
    return {row[0]: Packed(*row) for row in rows}


def numbers_in(db: apsw.Connection, scope: Scope) -> list[tuple[int, int]]:
    """The passages of a scope, as ranges of numbers, last included."""
    rows = query_all(
        db,
        "SELECT v.first, v.last FROM documents d JOIN versions v ON v.ver = d.ver WHERE d.state <> 'erasing' AND ("
        " d.space IN (SELECT value FROM json_each(?1)) OR d.id IN (SELECT value FROM json_each(?2))"
        " OR (d.space = 'root' AND EXISTS(SELECT 1 FROM json_each(?3) AS folder"
        "  WHERE d.name = folder.value OR substr(d.name, 1, length(folder.value) + 1) = folder.value || '/')))"
        " AND v.last >= v.first",
        (_list(scope.spaces), _list(scope.documents), _list([folder.strip("/") for folder in scope.folders])),
    )
    return [(row[0], row[1]) for row in rows]


def counts(numbers: Sequence[int]) -> bytes:
    """Packed, little-endian."""
    packed = array(COUNTS, numbers)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def _list(items: Sequence[str]) -> str:
    return msgspec.json.encode(list(items)).decode()
