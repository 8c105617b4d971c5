"""What the audit log says of a request."""

import json
from typing import Any

import msgspec
import pytest

from ingress.asgi import Receive, Scope, Send
from ingress.auth.caller import Caller
from ingress.middleware.audit import UNKEPT, Audited, Decision, record_of
from ingress.middleware.audit_log import AuditLog
from ingress.middleware.forwarded import Forwarded
from ingress.problems import MEDIA_TYPE

ALICE = Caller(client="alice", token="0123456789ab")


class Kept(AuditLog):
    """Lines that the test reads at once."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def write(self, line: bytes) -> None:
        assert line.endswith(b"}\n")
        assert line.count(b"\n") == 1
        self.lines.append(json.loads(line))


def handler(status: int, body: bytes = b"{}", route: str = "/api/query", *notes: str, is_problem: bool = False) -> Any:
    """An application that names its caller, notes what the test says, and answers."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope |= {"user": ALICE, "path_template": route}
        record = record_of(scope)
        record.asked(12)
        record.redacted({"card": 2})
        record.named("j1")
        for note in notes:
            record.accepted() if note == "accepted" else record.ended(msgspec.convert(note, Decision))
        kind = MEDIA_TYPE if is_problem else "application/json"
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind.encode())]})
        await send({"type": "http.response.body", "body": body})

    return app


async def lines_of(app: Any, method: str = "POST", **scope: Any) -> list[dict[str, Any]]:
    log = Kept()
    asked = {"type": "http", "method": method, "headers": [], "client": None, "server": ("/sock", None), **scope}

    async def send(message: Any) -> None:
        pass

    await Forwarded(Audited(app, log))(asked, send, send)  # type: ignore[arg-type]  # nothing is received
    return log.lines


def problem(kind: str, status: int, *notes: str) -> Any:
    return handler(
        status, json.dumps({"type": kind, "detail": "A text."}).encode(), "/api/query", *notes, is_problem=True
    )


@pytest.mark.parametrize(
    ("method", "status", "decision"),
    [("POST", 200, "answered"), ("POST", 202, "accepted"), ("POST", 499, "hung-up"), ("GET", 200, "read"),
     ("DELETE", 202, "cancelled"), ("DELETE", 200, "erased")],
)  # fmt: skip
async def test_a_request_has_a_line(method: str, status: int, decision: str) -> None:
    [line] = await lines_of(handler(status), method)
    assert line.pop("time").endswith("Z")
    assert line.pop("ms") >= 0
    assert line == {
        "client": "alice",
        "token": "0123456789ab",
        "method": method,
        "route": "/api/query",
        "decision": decision,
        "status": status,
        "job": "j1",
        "request_bytes": 12,
        "response_bytes": 2,
        "redactions": {"card": 2},
    }


@pytest.mark.parametrize(
    ("kind", "status", "notes", "decisions"),
    [
        ("queue-full", 429, [], ["refused"]),
        ("outcome-unknown", 503, [], ["unknown"]),
        ("prompt-too-long", 413, [], ["refused"]),
        ("prompt-too-long", 413, ["accepted"], ["accepted", "failed"]),
        ("deadline-exceeded", 504, ["accepted"], ["accepted", "failed"]),
        ("cancelled", 409, ["failed"], ["failed"]),
        ("a-code-of-a-newer-worker", 500, ["failed"], ["failed"]),
    ],
)
async def test_a_problem_is_told_by_its_type(kind: str, status: int, notes: list[str], decisions: list[str]) -> None:
    lines = await lines_of(problem(kind, status, *notes))
    assert [line["decision"] for line in lines] == decisions
    assert (lines[-1]["type"], lines[-1]["status"]) == (kind, status)
    assert "A text." not in json.dumps(lines)


@pytest.mark.parametrize(
    ("status", "notes", "decisions"),
    [
        (202, ["accepted"], ["accepted"]),
        (200, ["accepted"], ["accepted", "answered"]),
        (499, ["accepted"], ["accepted", "hung-up"]),
        (200, ["accepted", "hung-up"], ["accepted", "hung-up"]),
        (200, ["accepted", "hung-up", "failed"], ["accepted", "failed"]),
        (200, ["accepted", "hung-up", "accepted-later"], ["accepted"]),
    ],
)
async def test_what_was_accepted_is_told_at_once_and_how_it_ended_later(
    status: int, notes: list[str], decisions: list[str]
) -> None:
    told = [note for note in notes if note != "accepted-later"]
    app = handler(status, b"{}", "/api/query", *told)
    if "accepted-later" in notes:
        app = _drained(app)
    assert [line["decision"] for line in await lines_of(app)] == decisions


def _drained(app: Any) -> Any:
    """An event stream that ended since the ingress stops."""

    async def ended(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)
        record_of(scope).ended("accepted")

    return ended


async def test_an_answer_that_never_began_is_a_hang_up() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope |= {"user": ALICE, "path_template": "/api/query"}

    assert [line["decision"] for line in await lines_of(app)] == ["hung-up"]


@pytest.mark.parametrize(
    ("route", "status", "count"), [("/health", 200, 0), ("/metrics", 403, 1), ("", 404, 0), ("", 421, 1)]
)
async def test_outside_the_api_only_refusals_at_the_door_are_told(route: str, status: int, count: int) -> None:
    lines = await lines_of(handler(status, route=route), "GET")
    assert [line["route"] for line in lines] == [route or "unmatched"] * count


@pytest.mark.parametrize(
    ("server", "address"), [(("/sock", None), "203.0.113.9"), (("127.0.0.1", 8000), "192.0.2.1")], ids=["unix", "tcp"]
)
async def test_a_proxy_is_believed_on_the_unix_socket_only(server: tuple[str, int | None], address: str) -> None:
    """The leftmost address counts."""
    headers = [(b"x-forwarded-for", b"203.0.113.9, 10.0.0.1")]
    client = None if server[1] is None else ("192.0.2.1", 4711)
    [line] = await lines_of(handler(200), headers=headers, client=client, server=server)
    assert line["address"] == address


async def test_a_tcp_connection_that_broke_is_not_taken_for_the_unix_socket() -> None:
    headers = [(b"x-forwarded-for", b"203.0.113.9")]
    [line] = await lines_of(handler(200), headers=headers, client=None, server=("127.0.0.1", 8000))
    assert "address" not in line


@pytest.mark.parametrize("forwarded", [b"a text", b"<script>", b"unknown", b"", b"203.0.113.9\x85x"])
async def test_what_is_no_address_is_not_written(forwarded: bytes) -> None:
    [line] = await lines_of(handler(200), headers=[(b"x-forwarded-for", forwarded)])
    assert "address" not in line


def test_without_a_log_a_record_forgets() -> None:
    assert record_of({}) is UNKEPT
    UNKEPT.asked(1)
    UNKEPT.redacted({})
    UNKEPT.named("j1")
    UNKEPT.accepted()
    UNKEPT.ended("answered")
    assert not vars(UNKEPT)


async def test_a_refusal_in_openais_form_is_noted_by_its_kind() -> None:
    body = b'{"error":{"message":"The queue is full.","code":"rate_limit_exceeded","kind":"queue-full"}}'
    (line,) = await lines_of(handler(429, body, "/v1/chat/completions"))
    assert (line["route"], line["decision"], line["type"]) == ("/v1/chat/completions", "refused", "queue-full")
