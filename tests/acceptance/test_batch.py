"""`docqa batch` as a user runs it: killed in the middle, while parts of the system are killed, and gone on with."""

import asyncio
import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from tests.support.ledger import stored_results
from tests.support.stack import Part, Stack, Start
from tests.support.waiting import eventually

ROWS = int(os.environ.get("ACCEPTANCE_BATCH_ROWS", "300"))


def table_of(folder: Path, rows: int) -> Path:
    path = folder / "questions.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["question", "lease"])
        writer.writerows([f"Question number {number}?", f"Lease of house {number % 40}."] for number in range(rows))
    return path


def started(stack: Stack, *arguments: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "ops", "batch", *arguments, "--target", str(stack.ready().uds), "--style", "write"],
        env=stack.environment,
        cwd=stack.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


async def ends(process: "subprocess.Popen[bytes]") -> tuple[int, str, str]:
    out, err = await asyncio.to_thread(process.communicate, timeout=max(240, ROWS))
    return process.returncode, out.decode(), err.decode()


async def has_lines(path: Path, number: int) -> None:
    async def probe() -> bool:
        return path.exists() and path.read_bytes().count(b"\n") >= number

    await eventually(probe, f"{path.name} has {number} lines", max(120, ROWS))


@pytest.mark.slow
async def test_each_row_is_answered_once_whatever_is_killed(start: Start) -> None:
    """A batch of hundreds of rows, killed three times, while each part of the system is killed once."""
    stack = start(queue_size=20, slots=4, echo_delay_s=0.05)
    out = stack.folder / "answers.jsonl"
    journal = out.with_name("answers.jsonl.journal")
    command = ("run", str(table_of(stack.folder, ROWS)), "--document-column", "lease", "--out", str(out), "--json")
    for number, how in enumerate((signal.SIGKILL, signal.SIGINT, signal.SIGKILL), 1):
        batch = started(stack, *command)
        await has_lines(journal, ROWS * 2 * number // 5)
        batch.send_signal(how)
        await ends(batch)
    batch = started(stack, *command)
    for part in get_args(Part):
        await stack.kill_whatever_it_does(part)
    code, printed, error = await ends(batch)
    assert (code, error) == (0, ""), error
    assert json.loads(printed)["ended"] == ROWS
    answers = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [row["row"] for row in answers] == list(range(1, ROWS + 1))
    assert {row["status"] for row in answers} == {"done"}
    # Where the number in a question is that of its house, the sentence is appended.
    assert all(row["answer"].startswith(row["question"]) for row in answers)
    for part in get_args(Part):
        await stack.alive(part)
    async with stack.bus() as bus:
        results = await stored_results(bus)
    assert results.keys() == {row["id"] for row in answers}
    assert len(results) == ROWS


async def test_rows_that_fail_keep_their_reason_and_are_asked_again_when_told(echo: Stack, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("question,paper\nWho?,there.txt\nWhere?,missing.txt\n", encoding="utf-8")
    (tmp_path / "there.txt").write_text("Somebody.", encoding="utf-8")
    out, report = tmp_path / "answers.csv", tmp_path / "report.md"
    command = (
        *("run", str(table), "--document-column", "paper", "--documents", "files"),
        *("--out", str(out), "--report", str(report)),
    )
    code, printed, _ = await ends(started(echo, *command))
    assert code == 1
    assert "1 failed: document-unreadable" in printed
    assert "missing.txt" in report.read_text(encoding="utf-8")
    (tmp_path / "missing.txt").write_text("Everywhere.", encoding="utf-8")
    code, _, _ = await ends(started(echo, *command, "--retry-failed"))
    assert code == 0
    with out.open(newline="", encoding="utf-8") as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["done", "done"]


async def test_a_question_is_asked_of_each_document_of_a_space(start: Start, tmp_path: Path) -> None:
    """A system of its own: a document that another test left unread is a row that fails."""
    echo = start(slots=4)
    for name in ("one.txt", "two.txt"):
        (tmp_path / name).write_text(f"This is document {name}.", encoding="utf-8")
    added = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "ops", "documents", "add", str(tmp_path), "--target", str(echo.ready().uds)],
        env=echo.environment,
        cwd=echo.folder,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert added.returncode == 0, added.stderr
    out = tmp_path / "answers.jsonl"
    code, _, error = await ends(started(echo, "ask", "Which one?", "--space", "http.local", "--out", str(out)))
    assert code == 0, error
    names = [json.loads(line)["input"]["name"] for line in out.read_text(encoding="utf-8").splitlines()]
    assert {"one.txt", "two.txt"} <= set(names)
