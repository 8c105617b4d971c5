"""Vectors in the store: each passage's as bytes of eight bits, each version's signs in one piece.

The signs, one bit a dimension, are what a search over all compares first; the bytes are for those that come near.
"""

import sys
from array import array
from collections.abc import Sequence
from typing import Any, Final

import apsw
import msgspec

from library.store.records import Unembedded
from library.store.rows import query_all, query_one
from library.store.scope import Scope

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


def unembedded(db: apsw.Connection, embedder: str, limit: int) -> list[Unembedded]:
    rows = query_all(
        db,
        "SELECT v.ver, d.id FROM versions v JOIN documents d ON d.ver = v.ver"
        " WHERE v.embedder <> ? AND d.state <> 'erasing' ORDER BY v.ver LIMIT ?",
        (embedder, limit),
    )
    return [Unembedded(row[0], row[1]) for row in rows]


def put(db: apsw.Connection, version: int, embedder: str, packed: Sequence[Packed], signs: Signs) -> bool:
    """All vectors of a version; False: it is not found any more."""
    row: Any = query_one(
        db,
        "SELECT v.first, v.last FROM versions v JOIN documents d ON d.ver = v.ver WHERE v.ver = ?"
        " AND d.state <> 'erasing'",
        (version,),
    )
    if row is None:
        return False
    db.execute("DELETE FROM vectors WHERE passage BETWEEN ? AND ?", tuple(row))
    db.executemany("INSERT INTO vectors VALUES(?, ?, ?)", ((one.passage, one.scales, one.codes) for one in packed))
    db.execute("INSERT OR REPLACE INTO signs VALUES(?, ?, ?)", (version, signs.bits, signs.counts))
    db.execute("UPDATE versions SET embedder = ? WHERE ver = ?", (embedder, version))
    return True


def signs(db: apsw.Connection, embedder: str, beyond: int) -> list[Signs]:
    rows = query_all(
        db,
        "SELECT v.ver, v.first, s.bits, s.counts FROM signs s JOIN versions v USING(ver)"
        " WHERE v.embedder = ? AND v.ver > ? ORDER BY v.ver",
        (embedder, beyond),
    )
    return [Signs(*row) for row in rows]


def load(db: apsw.Connection, numbers: list[int]) -> dict[int, Packed]:
    rows = query_all(
        db,
        "SELECT passage, scales, codes FROM vectors WHERE passage IN (SELECT value FROM json_each(?))",
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
