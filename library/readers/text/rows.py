"""Rows of a table of values as lines, each value behind its column's head: a row is understood by itself. Pure."""

import re
from collections.abc import Iterable, Iterator, Sequence

from library.readers.canonical import Canvas

_NUMBER = re.compile(r"[\s$€£%+-]*[\d.,:/ -]+[\s$€£%]*")
_WHITE = re.compile(r"\s+")
_HEAD_CHARS = 80


def write_rows(rows: Iterable[Sequence[str]], canvas: Canvas) -> None:
    """Write rows, the first one's cells as heads where they read like heads; empty rows and cells are left out."""
    lines = _with_something(rows)
    first = next(lines, None)
    if first is None:
        return
    heads = first if _are_heads(first) else None
    canvas.write("\t".join(filter(None, first)))
    canvas.end_line()
    for cells in lines:
        canvas.write(_line(cells, heads))
        canvas.end_line()


def _with_something(rows: Iterable[Sequence[str]]) -> Iterator[list[str]]:
    for row in rows:
        cells = [_WHITE.sub(" ", cell).strip() for cell in row]
        if any(cells):
            yield cells


def _are_heads(cells: list[str]) -> bool:
    """Two or more short texts, no two of them the same, and no numbers."""
    named = [cell for cell in cells if cell]
    are_names = all(len(cell) <= _HEAD_CHARS and not _NUMBER.fullmatch(cell) for cell in named)
    return len(named) >= 2 and are_names and len(set(named)) == len(named)


def _line(cells: list[str], heads: list[str] | None) -> str:
    if heads is None:
        return "\t".join(cells).rstrip("\t")
    named = ((heads[index] if index < len(heads) else "", cell) for index, cell in enumerate(cells) if cell)
    return "; ".join(f"{head}: {cell}" if head else cell for head, cell in named)
