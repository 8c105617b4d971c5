"""Access tokens: created, rotated and revoked while the system runs, and what the audit log says of it."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.callers import Callers, with_token
from tests.support.client import Client, located_id, problem
from tests.support.stack import Options, Stack, running
from tests.support.waiting import eventually

AWS_KEY = "AKIA" + "Z7QJ3MNBVC2XK5LP"
ONE_TOKEN = "the-one-of-the-settings"
SECRETIVE = "Zanzibar"
"""A word of a question: nothing but the bus may hold it."""


@pytest.fixture(scope="module")
def callers(tmp_path_factory: pytest.TempPathFactory) -> Callers:
    callers = Callers(tmp_path_factory.mktemp("tokens"))
    for name, rights in (("alice", "query"), ("bob", "query"), ("watcher", "admin")):
        callers.create(name, "--rights", rights)
    return callers


@pytest.fixture(scope="module")
def stack(callers: Callers) -> Iterator[Stack]:
    environment = {
        "DOCQA_TOKEN": ONE_TOKEN,
        "DOCQA_TOKENS": str(callers.path),
        "DOCQA_AUDIT_LOG": str(callers.path.with_name("audit.log")),
    }
    with running(Options(queue_size=40, echo_delay_s=0.2, environment=environment)) as stack:
        yield stack


@pytest.fixture
def audit(callers: Callers) -> "Audit":
    return Audit(callers.path.with_name("audit.log"))


class Audit:
    """What the audit log says of those who a test knows by a member of their lines."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def text(self) -> str:
        return self._path.read_text(encoding="utf-8")

    async def lines(self, *decisions: str, **known_by: str) -> list[dict[str, Any]]:
        """Their lines, once there are as many as the decisions that they must hold, in this order."""

        async def probe() -> list[dict[str, Any]] | None:
            lines = [json.loads(line) for line in self.text().splitlines()]
            found = [line for line in lines if line.items() >= known_by.items()]
            return found if len(found) >= len(decisions) else None

        lines = await eventually(probe, f"{len(decisions)} lines are written")
        assert [line["decision"] for line in lines] == list(decisions)
        return lines


@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
@pytest.mark.parametrize("token", [None, "wrong", "dq_" + "A" * 43])
async def test_without_a_token_that_is_known_nothing_of_the_api_is_there(
    stack: Stack, token: str | None, *, tcp: bool
) -> None:
    async with stack.client(tcp=tcp) as client:
        if token is not None:
            client.http.headers["Authorization"] = f"Bearer {token}"
        for response in (
            await client.ask("Who?"),
            await client.http.get("/api/jobs/00000000-0000-4000-8000-000000000000"),
            await client.http.delete("/api/jobs/00000000-0000-4000-8000-000000000000"),
            await client.http.get("/metrics"),
        ):
            problem(response, 401, "unauthorized")
            assert response.headers["www-authenticate"].startswith('Bearer realm="docqa"')
        for path in ("/health", "/health/live", "/health/ready", "/schema"):
            assert (await client.http.get(path)).status_code == 200, path


async def test_a_token_without_the_right_is_403(stack: Stack, callers: Callers) -> None:
    async with callers.client(stack, "watcher") as watcher, callers.client(stack, "alice") as alice:
        problem(await watcher.ask("Who?"), 403, "forbidden")
        assert (await watcher.http.get("/metrics")).status_code == 200
        problem(await alice.http.get("/metrics"), 403, "forbidden")
        assert (await alice.ask("Who?")).status_code == 200
    assert "docqa_job_queue_length" in await stack.metrics("ingress"), "Prometheus needs no token"


async def test_the_one_token_of_the_settings_is_good_beside_the_file(stack: Stack) -> None:
    async with with_token(stack, ONE_TOKEN, tcp=True) as client:
        assert (await client.ask("Who?")).status_code == 200


async def test_a_client_sees_and_ends_its_own_jobs_only(stack: Stack, callers: Callers) -> None:
    async with callers.client(stack, "alice") as alice, callers.client(stack, "bob") as bob:
        running_job, done_job = await alice.submit("Mine?"), await alice.submit("Mine too?")
        for _ in range(2):
            for job_id in (running_job, done_job):
                problem(await bob.http.get(f"/api/jobs/{job_id}"), 404, "no-such-job")
                problem(await bob.http.delete(f"/api/jobs/{job_id}"), 404, "no-such-job")
            await alice.finished(done_job)
        assert (await alice.finished(running_job))["status"] == "done"
        assert (await alice.job(done_job))["answer"]


async def test_one_key_of_two_clients_is_two_jobs(stack: Stack, callers: Callers) -> None:
    key = {"Idempotency-Key": "the-same"}
    async with callers.client(stack, "alice") as alice, callers.client(stack, "bob") as bob:
        responses = [
            await client.http.post("/api/query", json={"query": question}, headers=key)
            for client, question in ((alice, "Alice's?"), (bob, "Bob's?"))
        ]
    assert [response.status_code for response in responses] == [200, 200]
    assert responses[0].json()["id"] != responses[1].json()["id"]


async def test_a_rotation_needs_no_pause(stack: Stack, callers: Callers) -> None:
    """Clients switch to the new token while the old one is valid; then that is revoked. No request is refused."""
    old = callers.create("carol")
    async with with_token(stack, old) as client:
        await eventually(lambda: _answers(client), "the first token is good")
        is_over = asyncio.Event()
        asking = asyncio.create_task(_keep_asking(client, is_over))
        new = await asyncio.to_thread(callers.create, "carol")
        async with with_token(stack, new) as other:
            await eventually(lambda: _answers(other), "the second token is good")
        client.http.headers["Authorization"] = f"Bearer {new}"
        await asyncio.to_thread(callers.revoke, old)
        async with with_token(stack, old) as other:
            await eventually(lambda: _is_refused(other), "the first token is good no more")
        is_over.set()
        statuses = await asking
    assert len(statuses) >= 5
    assert set(statuses) == {200}


async def test_a_token_is_good_until_it_expires(stack: Stack, callers: Callers) -> None:
    expires = datetime.now(UTC) + timedelta(seconds=9)
    async with with_token(stack, callers.create("dave", "--expires", expires.isoformat())) as client:
        await eventually(lambda: _answers(client), "the token is good", 8.5)
        await eventually(lambda: _is_refused(client), "the token has expired", 20)
        assert datetime.now(UTC) >= expires


async def test_a_file_that_breaks_leaves_all_as_it_was_and_shows(stack: Stack, callers: Callers) -> None:
    good = callers.path.read_bytes()
    async with callers.client(stack, "alice") as alice:
        callers.path.write_bytes(b'{"v": 1, "tokens": [')
        try:
            await eventually(lambda: _tokens_are(alice, "failing"), "the health shows it")
            assert (await alice.health())["status"] == "degraded"
            assert (await alice.ask("Who?")).status_code == 200
        finally:
            callers.path.write_bytes(good)
        await eventually(lambda: _tokens_are(alice, "ok"), "the health is well again")
        assert (await alice.health())["status"] == "healthy"


async def test_the_audit_says_who_did_what_and_not_a_word_of_it(stack: Stack, callers: Callers, audit: Audit) -> None:
    async with callers.client(stack, "bob") as bob, stack.client() as stranger:
        for client in (bob, stranger):
            client.http.headers["X-Forwarded-For"] = "203.0.113.9, 10.0.0.1"
        question = {"query": f"Where is {SECRETIVE}?", "context": f"{SECRETIVE} {AWS_KEY} {SECRETIVE}"}
        answer = await bob.http.post("/api/query", json=question)
        assert SECRETIVE in answer.json()["answer"]
        job_id = await bob.submit(f"{SECRETIVE}?")
        await bob.http.delete(f"/api/jobs/{job_id}")
        await bob.http.delete(f"/api/jobs/{answer.json()['id']}")
        await bob.http.post("/api/query", json={SECRETIVE: 1})
        await stranger.http.post("/api/query", json={"query": f"{SECRETIVE}?"})
        await stranger.http.get(f"/api/jobs/{SECRETIVE}")
    decisions = ["accepted", "answered", "accepted", "cancelled", "erased", "refused", "refused", "refused"]
    lines = await audit.lines(*decisions, address="203.0.113.9")
    assert SECRETIVE not in audit.text()
    assert AWS_KEY not in audit.text()
    assert [line["client"] for line in lines] == ["bob"] * 6 + [None] * 2
    assert [line.get("job") for line in lines[:5]] == [answer.json()["id"]] * 2 + [job_id] * 2 + [answer.json()["id"]]
    assert [line.get("type") for line in lines[5:]] == ["bad-request", "unauthorized", "unauthorized"]
    first = lines[1]
    assert (first["redactions"], first["status"]) == ({"aws-key": 1}, 200)
    assert first["request_bytes"] == len(answer.request.content)
    assert first["response_bytes"] == len(answer.content)


async def test_over_tcp_a_client_can_not_say_where_it_comes_from(stack: Stack, callers: Callers, audit: Audit) -> None:
    async with with_token(stack, callers.create("erin"), tcp=True) as erin:
        erin.http.headers["X-Forwarded-For"] = "203.0.113.9"
        await eventually(lambda: _answers(erin), "the token is good")
    lines = await audit.lines("accepted", "answered", client="erin")
    assert [line["address"] for line in lines] == ["127.0.0.1"] * 2


async def test_an_event_stream_is_told_from_its_acceptance_to_its_end(
    stack: Stack, callers: Callers, audit: Audit
) -> None:
    async with callers.client(stack, "alice") as alice:
        events = {"Accept": "text/event-stream", "X-Forwarded-For": "203.0.113.10"}
        response = await alice.http.post("/api/query", json={"query": "Who?"}, headers=events)
        assert response.status_code == 200
        with pytest.raises(httpx.ReadTimeout):
            await alice.http.post("/api/query", json={"query": "Gone?"}, headers=events, timeout=0.1)
    lines = await audit.lines("accepted", "answered", "accepted", "hung-up", address="203.0.113.10")
    assert lines[0]["job"] == lines[1]["job"] == located_id(response)


async def _answers(client: Client) -> bool:
    return (await client.ask("Who?")).status_code == 200


async def _is_refused(client: Client) -> bool:
    return (await client.ask("Who?")).status_code == 401


async def _tokens_are(client: Client, status: str) -> bool:
    return bool((await client.health())["tokens"]["status"] == status)


async def _keep_asking(client: Client, is_over: asyncio.Event) -> list[int]:
    statuses = []
    while not is_over.is_set():
        statuses.append((await client.ask("Who?")).status_code)
    return statuses
