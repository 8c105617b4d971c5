"""The client of `docqa ask` and `docqa status`, against a server with scripted replies."""

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from contract.errors import DocQAError
from ops import client as client_module
from ops.client import Client, NotThereError, RefusedError, RefusedForNowError

DONE = {"status": "done", "id": "1", "answer": "Two months."}
Reply = tuple[int, dict[str, str], Any]


class Script:
    """Answers requests one after another, and keeps what was asked."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        script = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                self.answer(json.loads(self.rfile.read(length)))

            def do_GET(self) -> None:
                self.answer(None)

            def answer(self, body: Any) -> None:
                script.asked.append((self.path, dict(self.headers), body))
                status, headers, document = script.replies.pop(0)
                content = document if isinstance(document, bytes) else json.dumps(document).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                return

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def script() -> Iterator[Script]:
    made = Script()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "_FIRST_POLL_AFTER_S", 0.01)
    monkeypatch.setattr(client_module, "_MISSED_FOR_S", 0.3)


def ask(script: Script, token: str | None = None) -> dict[str, Any]:
    with Client(script.url, token) as client:
        return client.ask({"query": "How much notice?"})


def test_an_answer_comes_back(script: Script) -> None:
    script.replies = [(200, {}, DONE)]
    assert ask(script, "s3cret") == DONE
    path, headers, body = script.asked[0]
    assert (path, body) == ("/api/query", {"query": "How much notice?"})
    assert headers["Authorization"] == "Bearer s3cret"


def test_a_job_that_takes_long_is_followed_through_restarts(script: Script) -> None:
    away = (503, {"Retry-After": "5"}, {"detail": "The bus is away."})
    queued, running = {"id": "1", "status": "queued"}, {"id": "1", "status": "running"}
    script.replies = [
        (202, {"Location": "/api/jobs/1"}, queued),
        (200, {}, queued),
        away,
        (200, {}, running),
        (200, {}, DONE),
    ]
    assert ask(script) == DONE
    assert [path for path, _, _ in script.asked[1:]] == ["/api/jobs/1"] * 4


def test_a_question_that_waits_reports_its_position_and_when_its_answer_is_expected(script: Script) -> None:
    events = b"".join(
        b"event: %s\ndata: %s\n\n" % (name, json.dumps(data).encode())
        for name, data in (
            (b"queued", {"position": 3, "expected_s": 12.4}),
            (b"queued", {"position": 0}),
            (b"result", DONE),
        )
    )
    script.replies = [(200, {"Content-Type": "text/event-stream"}, events)]
    reported: list[str] = []
    with Client(script.url, None) as client:
        pieces = list(client.stream({"query": "Who?"}, lambda queued: reported.append(queued.in_words)))
    assert reported == ["3 before it in the queue, about 12 s", "next in the queue"]
    assert pieces[-1] == DONE


def test_a_followed_job_that_fails_says_why(script: Script) -> None:
    failure = {"id": "1", "status": "failed", "code": "engine-error", "detail": "The engine failed."}
    script.replies = [(202, {"Location": "/api/jobs/1"}, {}), (200, {}, failure)]
    with pytest.raises(RefusedError, match=r"The engine failed\.") as caught:
        ask(script)
    assert caught.value.document == failure


def test_a_system_that_stays_away_is_told_with_where_the_answer_will_be(script: Script) -> None:
    script.replies = [(202, {"Location": "/api/jobs/1"}, {})] + [(503, {}, {"detail": "Away."})] * 100
    with pytest.raises(NotThereError, match="its answer will be at /api/jobs/1"):
        ask(script)


@pytest.mark.parametrize("status", [429, 503])
def test_what_may_be_taken_later_says_when(script: Script, status: int) -> None:
    script.replies = [(status, {"Retry-After": "7"}, {"detail": "All places are taken."})]
    with pytest.raises(RefusedForNowError, match=r"All places are taken\. Try again in 7 s\."):
        ask(script)


def test_a_sentence_that_names_the_time_is_left_as_it_is(script: Script) -> None:
    script.replies = [(429, {"Retry-After": "7"}, {"detail": "Full: come back in 7 s."})]
    with pytest.raises(RefusedForNowError, match=r"^Full: come back in 7 s\.$"):
        ask(script)


def test_a_refusal_for_good_is_no_refusal_for_now(script: Script) -> None:
    script.replies = [(401, {}, {"title": "Unauthorized", "detail": "Send a token."})]
    with pytest.raises(RefusedError, match=r"Send a token\.") as caught:
        ask(script)
    assert not isinstance(caught.value, RefusedForNowError)


@pytest.mark.parametrize("content", [b"<html>", b"[]", b"\xff"])
def test_another_program_at_that_address_is_recognized(script: Script, content: bytes) -> None:
    script.replies = [(200, {}, content)]
    with pytest.raises(DocQAError, match=r"not Goblin DocQA \(status 200\)"):
        ask(script)


def test_where_nobody_answers_the_start_is_named() -> None:
    """Over TCP; on a Unix socket httpcore leaves its own socket open when it is refused."""
    target = "http://127.0.0.1:1"
    with Client(target, None) as client, pytest.raises(NotThereError, match=rf"Nothing answers at {target}.*docqa up"):
        client.health()


def test_bad_health_is_still_told(script: Script) -> None:
    script.replies = [(503, {}, {"status": "unhealthy", "detail": "The bus is away."})]
    with Client(script.url, None) as client:
        assert client.health()["status"] == "unhealthy"


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("7", 7), (" 7 ", 7), ("Wed, 21 Oct 2026 07:28:00 GMT", 1), ("1.5", 1), ("", 1), ("9" * 5000, 1)],
)
def test_a_time_to_come_back_is_read_whoever_wrote_it(script: Script, said: str, seconds: int) -> None:
    script.replies.append((429, {"Retry-After": said}, {"detail": "Full."}))
    with Client(script.url, None) as client, pytest.raises(RefusedForNowError) as caught:
        client.call("GET", "/api/documents")
    assert caught.value.document["retry_after_s"] == seconds
