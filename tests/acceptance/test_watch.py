"""The commands that look at a running system, and the answer as it is made."""

import json
import subprocess
import sys

from tests.support.stack import Stack
from tests.support.waiting import until


def docqa(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ops", *arguments, "--target", str(stack.ready().uds)]
    return subprocess.run(
        command, env=stack.environment, cwd=stack.folder, capture_output=True, text=True, timeout=60, check=False
    )


def test_watch_tells_the_queue_the_workers_and_the_rates(echo: Stack) -> None:
    done = docqa(echo, "watch", "--count", "2", "--interval", "0.2", "--json")
    looks = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert len(looks) == 2
    for look in looks:
        assert look["status"] == "healthy"
        assert look["queue_capacity"] == 60
        assert look["workers"][0]["slots"] == 4
        assert look["rates"].keys() == {"answered_per_s", "accepted_per_s", "refused_per_s", "failed_per_s"}


def test_watch_draws_a_table(echo: Stack) -> None:
    def idle() -> bool:
        # A worker announces itself once a second: the last announcement may be from before this test.
        done = docqa(echo, "watch", "--count", "1", "--interval", "0.2")
        assert done.returncode == 0
        return "0 of 4" in done.stdout

    assert until(idle, "a table with an idle worker")


def test_ask_prints_the_answer_piece_by_piece_and_whole(echo: Stack) -> None:
    done = docqa(echo, "ask", "one two three")
    assert (done.returncode, done.stdout) == (0, "one two three\n")


def test_ask_reads_several_documents_as_one(echo: Stack) -> None:
    (echo.folder / "first.txt").write_text("Ein Vertrag über Öl.", encoding="utf-8")
    (echo.folder / "second.txt").write_text("租约", encoding="utf-8")
    done = docqa(echo, "ask", "q", "--document", "first.txt", "--document", "second.txt", "--json")
    assert json.loads(done.stdout)["usage"]["prompt_tokens"] == 1 + 5


def test_ask_has_the_library_read_what_is_no_utf8(echo: Stack) -> None:
    (echo.folder / "latin1.txt").write_bytes("Das Öl der Straße kostet fünf Euro.".encode("latin-1"))
    done = docqa(echo, "ask", "Was kostet das Öl?", "--document", "latin1.txt", "--style", "quote")
    assert done.returncode == 0, done.stderr
    assert "Das Öl der Straße kostet fünf Euro." in done.stdout
    assert "latin1.txt" in done.stdout


def test_ask_says_in_a_sentence_what_is_wrong_with_a_document(echo: Stack) -> None:
    (echo.folder / "broken.pdf").write_bytes(b"%PDF-1.7 and no more")
    done = docqa(echo, "ask", "q", "--document", "broken.pdf")
    assert done.returncode == 1
    assert "broken.pdf" in done.stderr
    assert "Traceback" not in done.stderr
