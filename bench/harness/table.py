"""A table of words: what a page, the report and the terminal all show."""

from collections.abc import Sequence

import msgspec


class Table(msgspec.Struct, frozen=True):
    """`note` stands below it."""

    title: str
    heads: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    note: str = ""
