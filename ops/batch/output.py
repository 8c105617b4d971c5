"""Writes the answers of a batch: JSON lines or CSV in the order of the rows, and a report in Markdown."""

import csv
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from contract.errors import DocQAError
from contract.runtime.files import write_atomically
from ops.batch.journal import Ending
from ops.batch.rows import Row

_COLUMNS: Final = ("answer", "answerable", "support", "sources", "status", "reason")
_LONGEST_CELL: Final = 500


def check(out: Path, rows: list[Row]) -> None:
    """Raises DocQAError where the answers can't be written so."""
    if out.suffix.lower() not in (".csv", ".jsonl"):
        raise DocQAError(f"--out: {out} must end with .jsonl or .csv.")
    taken = [name for name in _COLUMNS if name in rows[0].columns] if out.suffix.lower() == ".csv" else []
    if taken:
        raise DocQAError(f"--out: the table has a column {taken[0]!r} itself: rename it, or write .jsonl.")


def write(out: Path, rows: list[Row], endings: Mapping[int, Ending]) -> None:
    """Replace the file by the answers that there are."""
    pairs = [(row, endings.get(row.number)) for row in rows]
    text = _csv(pairs) if out.suffix.lower() == ".csv" else _lines(pairs)
    write_atomically(out, text.encode())


def report(path: Path, title: str, rows: list[Row], endings: Mapping[int, Ending]) -> None:
    """Replace the file by a table of answers with their sources, and of what has none."""
    answered = [(row, endings[row.number].answer) for row in rows if _is_answered(endings.get(row.number))]
    open_questions = [(row, answer) for row, answer in answered if answer.get("answerable") is False]
    failed = [
        (row, endings[row.number]) for row in rows if row.number in endings and not _is_answered(endings[row.number])
    ]
    parts = [
        f"# {title}",
        f"{len(rows)} rows: {len(answered)} answered, of which {len(open_questions)} seem not to be answerable from "
        f"their document; {len(failed)} failed; {len(rows) - len(answered) - len(failed)} not asked yet.",
        _table(("row", "document", "question", "answer", "sources"), (
            (row.number, _named(row), row.question, answer["answer"], _sources(answer))
            for row, answer in answered if answer.get("answerable") is not False
        )),
        "## Not answerable",
        _table(("row", "document", "question", "nearest", "support"), (
            (row.number, _named(row), row.question, answer["answer"], answer.get("support"))
            for row, answer in open_questions
        )),
        "## Failed",
        _table(("row", "document", "question", "reason"), (
            (row.number, _named(row), row.question, f"{ending.code}: {ending.detail}") for row, ending in failed
        )),
    ]  # fmt: skip
    write_atomically(path, ("\n\n".join(parts) + "\n").encode())


def _is_answered(ending: Ending | None) -> bool:
    return ending is not None and ending.is_answered


def _lines(pairs: Iterable[tuple[Row, Ending | None]]) -> str:
    return "".join(json.dumps(_object(row, ending), ensure_ascii=False) + "\n" for row, ending in pairs)


def _object(row: Row, ending: Ending | None) -> dict[str, Any]:
    asked = {"row": row.number, "question": row.question, "input": row.columns}
    if ending is None:
        return {**asked, "status": "open"}
    if ending.is_answered:
        return {**asked, **ending.answer}
    return {**asked, "status": "failed", "code": ending.code, "detail": ending.detail}


def _csv(pairs: list[tuple[Row, Ending | None]]) -> str:
    names = list(dict.fromkeys(name for row, _ in pairs for name in row.columns))
    text = io.StringIO()
    writer = csv.DictWriter(text, [*names, *_COLUMNS], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row.columns, **_cells(ending)} for row, ending in pairs)
    return text.getvalue()


def _cells(ending: Ending | None) -> dict[str, Any]:
    if ending is None:
        return {"status": "open"}
    if not ending.is_answered:
        return {"status": "failed", "reason": f"{ending.code}: {ending.detail}"}
    answer = ending.answer
    found = {name: answer.get(name) for name in ("answer", "answerable", "support") if answer.get(name) is not None}
    return {**found, "sources": _sources(answer), "status": "done"}


def _sources(answer: Mapping[str, Any]) -> str:
    return "; ".join(_source(cited) for cited in answer.get("citations", ()))


def _source(cited: Mapping[str, Any]) -> str:
    quote = " ".join(str(cited["quote"]).split())
    name = cited.get("name") or f"characters {cited['start']} to {cited['end']}"
    return f"{name}{', page ' + str(cited['page']) if cited.get('page') else ''}: {quote}"


def _named(row: Row) -> str:
    return row.columns.get("name") or row.document


def _table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    lines = [f"| {' | '.join(map(_cell, row))} |" for row in rows]
    return "\n".join([f"| {' | '.join(head)} |", "|---" * len(head) + "|", *lines]) if lines else "None."


def _cell(value: object) -> str:
    """One line, in which Markdown and HTML mean nothing."""
    text = " ".join(str("" if value is None else value).split())
    text = text if len(text) <= _LONGEST_CELL else text[:_LONGEST_CELL] + "…"
    for character in "\\`*_[]<>|":
        text = text.replace(character, f"&#{ord(character)};" if character in "<>" else f"\\{character}")
    return text
