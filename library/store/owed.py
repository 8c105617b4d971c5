"""Results on the message bus that are deleted before `erased` is written in their place: noted here in between."""

import apsw

from library.store.rows import query_all


def owe(db: apsw.Connection, key: str) -> None:
    """From now on a failure has to be written under this key, if nothing is there."""
    db.execute("INSERT OR IGNORE INTO owed_results VALUES(?)", (key,))


def settle(db: apsw.Connection, key: str) -> None:
    """Something is there."""
    db.execute("DELETE FROM owed_results WHERE key = ?", (key,))


def all_of(db: apsw.Connection) -> list[str]:
    return [key for (key,) in query_all(db, "SELECT key FROM owed_results")]
