"""Rows as SQLite gives them, without types: a query's own text says what its columns are."""

from typing import Any

import apsw


def query_all(db: apsw.Connection, query: str, parameters: tuple[Any, ...] = ()) -> list[Any]:
    """All rows, each a tuple."""
    return db.execute(query, parameters).fetchall()


def query_one(db: apsw.Connection, query: str, parameters: tuple[Any, ...] = ()) -> Any:
    """The only row: a single column by itself, several as a tuple; None where there is no row."""
    return db.execute(query, parameters).get
