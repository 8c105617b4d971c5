"""Parts of `docqa batch`: rows, the journal, what is obeyed, what is written."""

import csv
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from contract.errors import DocQAError
from ops.batch import asking, output, rows
from ops.batch.asking import Asker
from ops.batch.journal import Ending, Journal
from ops.batch.rows import Row
from ops.errors import TryLaterError

DONE = {"status": "done", "id": "1", "answer": "Two | months.", "usage": {"prompt_tokens": 3, "completion_tokens": 2}}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    path.write_text("name,question,lease\nSmith,How much?,b.txt\nJones,How long?,a.txt\nSmith,Since when?,b.txt\n")
    return path


def test_rows_come_from_csv_and_from_json_lines(table: Path, tmp_path: Path) -> None:
    from_csv = rows.read(table, rows.by_column("question", table), "lease")
    lines = tmp_path / "table.jsonl"
    lines.write_text("".join(json.dumps(row.columns) + "\n" for row in from_csv))
    assert rows.read(lines, rows.by_column("question", lines), "lease") == from_csv
    first = from_csv[0]
    assert (first.number, first.question, first.document) == (1, "How much?", "b.txt")


@pytest.mark.parametrize(
    ("content", "questions"),
    [
        ('question,x\r\n"Who, or ""what""?",1\r\n\r\n"Two\nlines?",2\r\n', ['Who, or "what"?', "Two\nlines?"]),
        ("\ufeffquestion;x\nWho, then?;1\n", ["Who, then?"]),
        ("question\tx\nWho; where?\t1\n", ["Who; where?"]),
        ("question,x\nWho?\nWho?,1,\n", ["Who?", "Who?"]),
        ("question\n" + 200_000 * "a" + "\n", [200_000 * "a"]),
    ],
    ids=["quoted", "semicolons and a byte order mark", "tabs", "short and twice", "a document in a cell"],
)
def test_tables_are_read_as_spreadsheets_write_them(tmp_path: Path, content: str, questions: list[str]) -> None:
    path = tmp_path / "table.csv"
    path.write_text(content, encoding="utf-8", newline="")
    assert [row.question for row in rows.read(path, rows.by_column("question", path), None)] == questions


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("question\nWho, then?\n", "line 2 has more cells than the head"),
        ('question,x\n"Who?,1\nWhere?,2\n', "is not CSV: unexpected end of data"),
        ("question,question\nWho?,Where?\n", "there are two columns 'question'"),
        ("question,x\n\n", "there are no rows"),
        ("", "there are no rows"),
    ],
    ids=["a comma without quotes", "an open quote", "two of one name", "no row", "nothing"],
)
def test_what_can_t_be_read_as_a_table_is_said_with_its_line(tmp_path: Path, content: str, sentence: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(content, encoding="utf-8", newline="")
    with pytest.raises(DocQAError, match=sentence):
        rows.read(path, rows.by_column("question", path), None)


def test_a_missing_value_in_json_lines_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "table.jsonl"
    path.write_text('{"question": "Who?", "lease": null}\n\n{"question": "Wö?", "lease": ["ä"]}\n', encoding="utf-8")
    assert [row.document for row in rows.read(path, rows.by_column("question", path), "lease")] == ["", '["ä"]']


def test_a_template_takes_columns(table: Path) -> None:
    asked = rows.read(table, rows.by_template("Does {name} pay?", table), None)
    assert [row.question for row in asked][:2] == ["Does Smith pay?", "Does Jones pay?"]


def test_a_column_that_is_not_there_is_named_with_those_that_are(table: Path) -> None:
    with pytest.raises(DocQAError, match="no column 'text'; it has 'name', 'question', 'lease'"):
        rows.read(table, rows.by_column("text", table), None)


def test_rows_on_one_document_are_asked_side_by_side(table: Path) -> None:
    asked = rows.read(table, rows.by_column("question", table), "lease")
    assert [row.number for row in rows.together(asked)] == [1, 3, 2]


async def test_a_journal_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    out = tmp_path / "answers.jsonl"
    journal = Journal.of(out, "hash")
    key = journal.key_for(1)
    await journal.asking(1, key)
    await journal.ended(1, Ending(answer=DONE))
    lost = journal.key_for(2)
    await journal.asking(2, lost)
    journal.close()
    with (tmp_path / "answers.jsonl.journal").open("ab") as file:
        file.write(b'{"row":3,"ke')
    again = Journal.of(out, "hash")
    assert again.endings == {1: Ending(answer=DONE)}
    assert again.key_for(2) == lost
    assert again.key_for(3) not in (key, lost)
    again.close()


async def test_a_failed_row_is_asked_again_under_another_key(tmp_path: Path) -> None:
    journal = Journal.of(tmp_path / "answers.jsonl", "hash")
    first = journal.key_for(1)
    await journal.asking(1, first)
    await journal.ended(1, Ending(code="engine-error", detail="It failed."))
    second = journal.key_for(1)
    assert second != first
    await journal.asking(1, second)
    assert journal.key_for(1) == second
    journal.close()


def test_a_journal_of_other_questions_is_refused(tmp_path: Path) -> None:
    Journal.of(tmp_path / "answers.csv", "hash").close()
    with pytest.raises(DocQAError, match="other questions"):
        Journal.of(tmp_path / "answers.csv", "another")


class Script:
    """A system that answers as a test wrote down, and the seconds that were waited in between."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *replies: tuple[int, dict[str, str], dict[str, Any]]) -> None:
        self.replies = list(replies)
        self.keys: list[str] = []
        self.slept_s: list[float] = []
        monkeypatch.setattr("ops.batch.asking.asyncio.sleep", self.sleep)

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.keys.append(request.headers.get("Idempotency-Key", request.url.path))
        status, headers, body = self.replies.pop(0)
        if not status:
            raise httpx.ConnectError("refused")
        return httpx.Response(status, headers=headers, json=body)

    async def ask(self) -> Ending:
        transport = httpx.MockTransport(self.answer)
        async with httpx.AsyncClient(transport=transport, base_url="http://docqa") as http:
            return await Asker(http).ask({"query": "Who?"}, "key")


async def test_a_refusal_is_obeyed_to_the_second_and_the_key_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script(monkeypatch, (429, {"Retry-After": "7"}, {"type": "queue-full"}), (200, {}, DONE))
    assert await script.ask() == Ending(answer=DONE)
    assert (script.keys, script.slept_s) == (["key", "key"], [7.0])


async def test_a_job_that_takes_long_is_followed_and_a_broken_connection_asks_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queued = {"id": "1", "status": "queued"}
    replies = [(0, {}, {}), (202, {"Location": "/api/jobs/1"}, queued), (200, {}, queued), (200, {}, DONE)]
    script = Script(monkeypatch, *replies)  # type: ignore[arg-type]  # empty headers
    assert (await script.ask()).is_answered
    assert script.keys == ["key", "key", "/api/jobs/1", "/api/jobs/1"]


async def test_a_failure_keeps_its_reason_and_a_passed_deadline_is_another_try(monkeypatch: pytest.MonkeyPatch) -> None:
    late = {"type": "deadline-exceeded", "detail": "Too late."}
    script = Script(monkeypatch, (504, {}, late), (413, {}, {"type": "prompt-too-long", "detail": "Cut it."}))
    assert await script.ask() == Ending(code="prompt-too-long", detail="Cut it.")


async def test_a_system_that_stays_unavailable_stops_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "GIVES_UP_AFTER_S", -1.0)
    with pytest.raises(TryLaterError, match="unavailable"):
        await Script(monkeypatch, (503, {}, {"type": "bus-unavailable"})).ask()


async def test_without_access_the_batch_stops_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DocQAError, match="A token"):
        await Script(monkeypatch, (401, {}, {"detail": "A token is needed."})).ask()


def test_answers_are_written_in_the_order_of_the_rows(table: Path, tmp_path: Path) -> None:
    asked = rows.read(table, rows.by_column("question", table), "lease")
    endings = {3: Ending(answer=DONE), 1: Ending(code="prompt-too-long", detail="Cut it.")}
    for name in ("answers.csv", "answers.jsonl"):
        output.write(tmp_path / name, asked, endings)
    found = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    assert [(row["row"], row["status"]) for row in found] == [(1, "failed"), (2, "open"), (3, "done")]
    with (tmp_path / "answers.csv").open(newline="") as file:
        cells = list(csv.DictReader(file))
    assert [row["status"] for row in cells] == ["failed", "open", "done"]
    assert (cells[0]["reason"], cells[2]["answer"]) == ("prompt-too-long: Cut it.", "Two | months.")


def test_a_report_has_the_answers_their_sources_and_what_has_none(tmp_path: Path) -> None:
    cited = {"citations": [{"start": 3, "end": 9, "quote": "two  months", "name": "a.pdf", "page": 2}]}
    endings = {
        1: Ending(answer={**DONE, **cited, "answerable": True}),
        2: Ending(answer={**DONE, "answerable": False, "support": 0.1}),
        3: Ending(code="engine-error", detail="<b>It</b> failed."),
    }
    output.report(tmp_path / "report.md", "Leases", [Row(n, "How long?", "a.pdf") for n in (1, 2, 3, 4)], endings)
    text = (tmp_path / "report.md").read_text()
    assert "4 rows: 2 answered, of which 1 seem not to be answerable from their document; 1 failed; 1 not asked" in text
    assert "| 1 | a.pdf | How long? | Two \\| months. | a.pdf, page 2: two months |" in text
    assert "engine-error: &#60;b&#62;It&#60;/b&#62; failed." in text


def test_a_table_with_a_column_of_the_output_is_refused_for_csv(tmp_path: Path) -> None:
    with pytest.raises(DocQAError, match="'answer'"):
        output.check(tmp_path / "out.csv", [Row(1, "Who?", columns={"answer": "x"})])
