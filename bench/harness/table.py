"""A table of text, as the page of benchmarks, the report and the terminal all show it."""

from collections.abc import Sequence

import msgspec


class Table(msgspec.Struct, frozen=True):
    """`note` is shown below it."""

    title: str
    heads: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    note: str = ""
