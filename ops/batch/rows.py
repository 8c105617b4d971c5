"""Reads the rows of a batch from CSV or JSON lines: a question each, what it is asked of, and the row's own columns."""

import csv
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from contract.errors import DocQAError

_SEPARATORS: Final = (",", ";", "\t")
_LONGEST_CELL: Final = 1 << 30
_PLACE: Final = re.compile(r"\{([^{}]+)\}")


class Row(msgspec.Struct, frozen=True):
    """A question, numbered from 1 in the order of its file. `document`: as the file names it; empty for none."""

    number: int
    question: str
    document: str = ""
    columns: dict[str, str] = {}


def read(path: Path, question_of: Callable[[dict[str, str]], str], document_column: str | None) -> list[Row]:
    """All rows of a `.csv` or `.jsonl` file; raises DocQAError that names the line or the column."""
    rows = []
    for number, columns in enumerate(_columns(path), 1):
        document = _cell(columns, document_column, path) if document_column else ""
        rows.append(Row(number, question_of(columns), document, columns))
    if not rows:
        raise DocQAError(f"{path}: there are no rows.")
    return rows


def by_column(name: str, path: Path) -> Callable[[dict[str, str]], str]:
    """Each row's question stands in a column."""
    return lambda columns: _cell(columns, name, path)


def by_template(template: str, path: Path) -> Callable[[dict[str, str]], str]:
    """The question is one text, in which `{name}` stands for the row's column of that name."""
    return lambda columns: _PLACE.sub(lambda place: _cell(columns, place[1], path), template)


def together(rows: list[Row]) -> list[Row]:
    """The rows with those on one document side by side, in the order of the documents' first rows."""
    first = dict[str, int]()
    for row in rows:
        first.setdefault(row.document, row.number)
    return sorted(rows, key=lambda row: (first[row.document], row.number) if row.document else (row.number, row.number))


def _columns(path: Path) -> Iterator[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if path.suffix.lower() in (".jsonl", ".ndjson"):
                yield from (_object(line, path, number) for number, line in enumerate(file, 1) if line.strip())
            else:
                yield from _csv(file, path)
    except UnicodeDecodeError:
        raise DocQAError(f"{path}: it is not UTF-8: convert it, for instance with iconv.") from None


def _csv(file: IO[str], path: Path) -> Iterator[dict[str, str]]:
    """The rows of a table with a head; empty lines are none. Its separator is the one in the head: , or ; or a tab."""
    # A cell may hold a whole document.
    csv.field_size_limit(_LONGEST_CELL)
    head = file.readline()
    file.seek(0)
    separator = max(_SEPARATORS, key=head.count)
    # Strict: a quote that is never closed would take the rest of the table for one cell.
    reader = csv.DictReader(file, delimiter=separator, strict=True)
    try:
        names = [name for name in reader.fieldnames or () if name]
        if twice := [name for name in names if names.count(name) > 1]:
            raise DocQAError(f"{path}: there are two columns {twice[0]!r}: rename one.")
        for row in reader:
            if any(row.get(None, ())):
                raise DocQAError(
                    f"{path}: line {reader.line_num} has more cells than the head: put quotes around a cell that holds "
                    f"{separator!r}."
                )
            yield {name: cell or "" for name, cell in row.items() if name}
    except csv.Error as error:
        raise DocQAError(f"{path}: line {reader.line_num} is not CSV: {error}.") from None


def _object(line: str, path: Path, number: int) -> dict[str, str]:
    try:
        fields: Any = json.loads(line)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise DocQAError(f"{path}: line {number} is not a JSON object.")
    return {name: _text(value) for name, value in fields.items()}


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cell(columns: dict[str, str], name: str, path: Path) -> str:
    if name not in columns:
        raise DocQAError(f"{path}: there is no column {name!r}; it has {', '.join(map(repr, columns)) or 'none'}.")
    return columns[name]
