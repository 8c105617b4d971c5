"""Reads the rows of a batch from CSV or JSON lines: a question each, what it is asked of, and the row's own columns."""

import csv
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from contract.errors import DocQAError

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
                yield from ({name: cell or "" for name, cell in row.items() if name} for row in csv.DictReader(file))
    except UnicodeDecodeError:
        raise DocQAError(f"{path}: it is not UTF-8: convert it, for instance with iconv.") from None
    except csv.Error as error:
        raise DocQAError(f"{path}: it is not CSV: {error}.") from None


def _object(line: str, path: Path, number: int) -> dict[str, str]:
    try:
        fields: Any = json.loads(line)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise DocQAError(f"{path}: line {number} is not a JSON object.")
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}


def _cell(columns: dict[str, str], name: str, path: Path) -> str:
    if name not in columns:
        raise DocQAError(f"{path}: there is no column {name!r}; it has {', '.join(map(repr, columns)) or 'none'}.")
    return columns[name]
