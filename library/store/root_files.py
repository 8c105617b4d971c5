"""The files of the root as they were seen last, and which of them wait to be read: the library's own backlog.

The transaction is the caller's.
"""

from collections.abc import Iterable
from typing import Any

import apsw

from library.store.records import Stat
from library.store.rows import query_all, query_one

_STAT = "device, inode, size_bytes, mtime_ns"


def known(db: apsw.Connection) -> dict[str, Stat]:
    """Under each path: the file that was seen there."""
    return {row[0]: Stat(*row[1:]) for row in query_all(db, f"SELECT path, {_STAT} FROM root_files")}  # noqa: S608


def put(db: apsw.Connection, files: Iterable[tuple[str, str, Stat]]) -> None:
    """Path, document and stat of files that are new or changed: they wait from now on."""
    db.executemany(
        "INSERT INTO root_files VALUES(?, ?, ?, ?, ?, ?, 1) ON CONFLICT(path) DO UPDATE SET device = ?3, inode = ?4,"
        " size_bytes = ?5, mtime_ns = ?6, waits = 1",
        ((path, document, *stat) for path, document, stat in files),
    )


def move(db: apsw.Connection, source: str, target: str, stat: Stat) -> str:
    """The file has another path; its document."""
    db.execute("DELETE FROM root_files WHERE path = ?", (target,))
    found = query_one(
        db,
        "UPDATE root_files SET path = ?, device = ? WHERE path = ? RETURNING document",
        (target, stat.device, source),
    )
    return str(found or "")


def remove(db: apsw.Connection, path: str) -> str:
    """It is gone; its document."""
    return str(query_one(db, "DELETE FROM root_files WHERE path = ? RETURNING document", (path,)) or "")


def next_waiting(db: apsw.Connection, after: str) -> tuple[str, str, Stat] | None:
    """The next file that waits behind a path, from the first one again at the end; None: none waits."""
    row: Any = query_one(
        db,
        f"SELECT path, document, {_STAT} FROM root_files WHERE waits ORDER BY path <= ?, path LIMIT 1",  # noqa: S608
        (after,),
    )
    return (row[0], row[1], Stat(*row[2:])) if row else None


def settle(db: apsw.Connection, path: str, stat: Stat) -> None:
    """It was read as it was then; one that changed meanwhile still waits."""
    db.execute(
        "UPDATE root_files SET waits = 0 WHERE path = ? AND inode = ? AND size_bytes = ? AND mtime_ns = ?",
        (path, stat.inode, stat.size_bytes, stat.mtime_ns),
    )


def wait_all(db: apsw.Connection, documents: Iterable[str]) -> None:
    """Read these anew."""
    db.executemany("UPDATE root_files SET waits = 1 WHERE document = ?", ((one,) for one in documents))


def counts(db: apsw.Connection) -> tuple[int, int]:
    """Files, and how many of them wait."""
    row: Any = query_one(db, "SELECT count(*), coalesce(sum(waits), 0) FROM root_files")
    return int(row[0]), int(row[1])
