"""Erases documents, and versions that are not readable any more. The transaction is the caller's."""

from collections.abc import Sequence
from typing import Any

import apsw
import msgspec

from library.store import versions
from library.store.documents import now_ms
from library.store.records import Erasure
from library.store.rows import query_all, query_one


def add_tombstone(db: apsw.Connection, document: str) -> bool:
    """From now on no question is answered from the document, and no import brings it back. False: there is none."""
    row: Any = query_one(
        db, "SELECT space, publisher, client, generation, doc FROM documents WHERE id = ?", (document,)
    )
    if row is None:
        return False
    space, publisher, client, generation, doc = row
    given = query_one(db, "SELECT generation FROM allotments WHERE document = ?", (document,)) or 0
    named = [found for (found,) in query_all(db, "SELECT id FROM versions WHERE doc = ?", (doc,))]
    db.execute(
        "INSERT OR REPLACE INTO tombstones VALUES(?, ?, ?, ?, ?, ?, ?, 0)",
        (document, space, publisher, client, max(generation, given), now_ms(), msgspec.json.encode(named).decode()),
    )
    db.execute("UPDATE documents SET state = 'erasing', changed_ms = ? WHERE id = ?", (now_ms(), document))
    return True


def add_tombstone_before_reading(db: apsw.Connection, document: str, publisher: str, client: str) -> bool:
    """The same for a document whose first import still waits; False: nothing was given out for it."""
    row: Any = query_one(db, "SELECT generation, space FROM allotments WHERE document = ?", (document,))
    if row is None:
        return False
    db.execute(
        "INSERT OR REPLACE INTO tombstones VALUES(?, ?, ?, ?, ?, ?, '[]', 0)",
        (document, row[1], publisher, client, row[0], now_ms()),
    )
    return True


def pending(db: apsw.Connection) -> list[Erasure]:
    """Documents with a tombstone that are not gone yet."""
    return _erasures(db, "NOT is_done")


def recent(db: apsw.Connection, since_ms: int) -> list[Erasure]:
    """Documents that were erased since a moment."""
    return _erasures(db, "is_done AND erased_ms >= ?", since_ms)


def _erasures(db: apsw.Connection, condition: str, *parameters: int) -> list[Erasure]:
    rows = query_all(db, f"SELECT document, publisher, client, versions FROM tombstones WHERE {condition}", parameters)  # noqa: S608  # constants
    return [
        Erasure(document, publisher, client, tuple(msgspec.json.decode(named)))
        for document, publisher, client, named in rows
    ]


def children(db: apsw.Connection, document: str) -> list[str]:
    """What was attached to a document."""
    return [found for (found,) in query_all(db, "SELECT id FROM documents WHERE parent = ?", (document,))]


def remove(db: apsw.Connection, document: str) -> None:
    """All rows of a document with a tombstone but its tombstone."""
    doc = query_one(db, "SELECT doc FROM documents WHERE id = ?", (document,))
    if doc is not None:
        for (ver,) in query_all(db, "SELECT ver FROM versions WHERE doc = ?", (doc,)):
            versions.remove(db, ver)
        db.execute("DELETE FROM documents WHERE doc = ?", (doc,))
    db.execute("DELETE FROM allotments WHERE document = ?", (document,))


def finish(db: apsw.Connection, document: str) -> None:
    """No file holds the document's text any more."""
    db.execute("UPDATE tombstones SET is_done = 1 WHERE document = ?", (document,))


def state(db: apsw.Connection, document: str) -> str | None:
    """`erasing` or `erased`; None: the document was not erased, or is there again."""
    if query_one(db, "SELECT 1 FROM documents WHERE id = ? AND state <> 'erasing'", (document,)):
        return None
    row: Any = query_one(db, "SELECT is_done FROM tombstones WHERE document = ?", (document,))
    return None if row is None else "erased" if row else "erasing"


def tombstones(db: apsw.Connection, documents: Sequence[str]) -> dict[str, int]:
    """Under each of the documents that was erased: the newest generation that no import brings back."""
    asked = msgspec.json.encode(list(documents)).decode()
    rows = query_all(
        db, "SELECT document, generation FROM tombstones WHERE document IN (SELECT value FROM json_each(?))", (asked,)
    )
    return {row[0]: int(row[1]) for row in rows}


def drop_replaced(db: apsw.Connection, before_ms: int) -> int:
    """Remove the texts of versions that were replaced before a moment; how many."""
    rows = query_all(db, "SELECT ver FROM versions WHERE replaced_ms < ?", (before_ms,))
    for (ver,) in rows:
        versions.remove(db, ver)
    return len(rows)


def needed_originals(db: apsw.Connection) -> set[str]:
    """The originals that some document refers to."""
    return {found for (found,) in query_all(db, "SELECT DISTINCT original FROM documents WHERE original <> ''")}
