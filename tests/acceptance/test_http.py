"""What HTTP clients receive: answers, jobs, and refusals that say what to do."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from contract import topology
from tests.support.client import Client, located_id, problem
from tests.support.ledger import stored_subjects
from tests.support.stack import Beside, Stack
from tests.support.waiting import eventually

MEGABYTE = 2**20
JSON = {"Content-Type": "application/json"}

# Put together here, so that no scanner takes this file for a leak.
AWS_KEY = "AKIA" + "Z7QJ3MNBVC2XK5LP"
BEARER = "mF_9.B5f-4.1JqM" + "0123456789abcdef"
CARD = "4111 1111 " + "1111 1111"
PEM = f"-----BEGIN {'RSA PRIVATE'} KEY-----\nMIIEowIBAAKCAQEA7v\n-----END {'RSA PRIVATE'} KEY-----"


@pytest.fixture
async def client(echo: Stack) -> AsyncIterator[Client]:
    async with echo.client() as client:
        yield client


@contextlib.asynccontextmanager
async def _ingress(stack: Stack, settings: dict[str, str]) -> AsyncIterator[Client]:
    """One more ingress on the stack's bus, and a client of it."""
    ingress = Beside(stack, "ingress", "ingress", {"DOCQA_PORT": "0", **settings})
    ingress.start()
    try:
        async with stack.client(uds=Path(settings["DOCQA_UDS"])) as client:

            async def is_ready() -> bool:
                return (await client.http.get("/health/ready")).status_code == 200

            await eventually(is_ready, "the second ingress is ready")
            yield client
        ingress.stop()
    finally:
        ingress.destroy()


@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
async def test_a_question_is_answered_over_both_listeners(echo: Stack, *, tcp: bool) -> None:
    async with echo.client(tcp=tcp) as client:
        response = await client.ask("How much notice?", context="Three months' notice.")
    body = response.json()
    assert response.status_code == 200
    assert body.keys() >= {"id", "status", "answer", "finish_reason", "model", "usage", "timings", "backend"}
    assert (body["status"], body["backend"]) == ("done", "local")
    assert topology.is_canonical_uuid(body["id"])
    assert "echo" in body["model"], "the stand-in engine must name itself"
    assert body["usage"].keys() >= {"prompt_tokens", "completion_tokens", "cached_tokens"}
    assert body["timings"].keys() >= {"queued_ms", "prefill_ms", "decode_ms", "total_ms"}
    assert body["timings"]["total_ms"] >= 300


async def test_respond_async_gets_202_at_once_and_the_answer_where_it_says(client: Client) -> None:
    response = await client.post("How much notice?")
    assert response.status_code == 202
    job_id = located_id(response)
    assert response.headers["location"].endswith(f"/api/jobs/{job_id}")
    assert response.json()["id"] == job_id
    job = await client.finished(job_id)
    assert (job["id"], job["status"]) == (job_id, "done")
    assert job["answer"]


async def test_a_wait_that_runs_out_gets_202_and_the_answer_later(echo: Stack) -> None:
    settings = {"DOCQA_UDS": str(echo.folder / "hasty"), "DOCQA_SYNC_WAIT_S": "0.05"}
    async with _ingress(echo, settings) as client:
        response = await client.ask("Who is slow?")
        assert response.status_code == 202
        assert (await client.finished(located_id(response)))["status"] == "done"


async def test_a_job_is_queued_then_running_then_done(client: Client) -> None:
    """More jobs than slots and look-ahead: the last one is seen in each state."""
    ids = [await client.submit(f"Question {n}?") for n in range(16)]
    seen = [(await client.job(ids[-1]))["status"]]
    assert seen == ["queued"]

    async def is_over() -> bool:
        status = (await client.job(ids[-1]))["status"]
        if status != seen[-1]:
            seen.append(status)
        return bool(status == "done")

    await eventually(is_over, "the last job is done")
    assert seen == ["queued", "running", "done"]
    for job_id in ids:
        await client.finished(job_id)


@pytest.mark.parametrize(
    "job_id", ["01a2055d-7c3e-7b1a-9f00-1d2c3b4a5f60", "nonsense", "00000000-0000-0000-0000-000000000000", "a" * 500]
)
async def test_an_unknown_job_is_404(client: Client, job_id: str) -> None:
    problem(await client.http.get(f"/api/jobs/{job_id}"), 404)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, "query"),
        ({"query": 5}, "query"),
        ({"query": None}, "query"),
        ({"query": ""}, "query"),
        ({"query": " \n"}, "query"),
        ({"query": "a?", "context": 5}, "context"),
        ({"query": "a?", "max_tokens": "many"}, "max_tokens"),
        ({"query": "a?", "max_tokens": 0}, "max_tokens"),
        ({"query": "a?", "temperature": 3}, "temperature"),
        ({"query": "a?", "stop": ["", "b"]}, "stop"),
        ({"query": "a?", "deadline_s": -1}, "deadline_s"),
        ({"query": "a?", "colour": "red"}, "colour"),
    ],
)
async def test_a_field_that_is_missing_wrong_or_unknown_is_named(
    client: Client, fields: dict[str, Any], named: str
) -> None:
    body = problem(await client.http.post("/api/query", json=fields), 400)
    assert named in body["detail"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"nonsense", b"[]", b'{"query": "\xff"}', b"\x00\x01", b"[" * 50_000, b'{"query": "\\ud800"}']
)
async def test_a_body_that_is_no_json_object_is_400(client: Client, body: bytes) -> None:
    problem(await client.http.post("/api/query", content=body, headers=JSON), 400)


async def test_a_body_over_the_limit_is_413_with_both_sizes(client: Client) -> None:
    body = json.dumps({"query": "Too long?", "context": "x" * (MEGABYTE + 1)}).encode()
    response = await client.http.post("/api/query", content=body, headers=JSON)
    numbers = re.findall(r"\d+", re.sub(r"(?<=\d)[,_ \u202f](?=\d{3})", "", json.dumps(problem(response, 413))))
    assert str(len(body)) in numbers
    assert str(MEGABYTE) in numbers


async def test_a_body_without_a_length_is_413_too(client: Client) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b'{"query": "Too long?", "context": "'
        for _ in range(20):
            yield b"x" * 100_000

    problem(await client.http.post("/api/query", content=pieces(), headers=JSON), 413)


async def test_a_body_just_under_the_limit_is_accepted(client: Client) -> None:
    """What the ingress accepts is never too large for the bus."""
    context = "x" * (MEGABYTE - 100)
    response = await client.ask("Long enough?", context=context)
    assert response.status_code == 200, response.text[:500]


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "multipart/form-data; boundary=b", ""])
async def test_what_is_not_json_by_its_type_is_415(client: Client, content_type: str) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    problem(await client.http.post("/api/query", content=b'{"query": "a?"}', headers=headers), 415)


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "APPLICATION/JSON"])
async def test_json_by_any_spelling_of_its_type_is_taken(client: Client, content_type: str) -> None:
    response = await client.http.post("/api/query", content=b'{"query": "a?"}', headers={"Content-Type": content_type})
    assert response.status_code == 200, response.text


async def test_other_routes_and_methods_are_problems_too(client: Client) -> None:
    problem(await client.http.get("/nowhere"), 404)
    problem(await client.http.put("/api/query", json={}), 405)


async def test_with_a_token_set_none_or_a_wrong_one_is_401(echo: Stack) -> None:
    settings = {"DOCQA_UDS": str(echo.folder / "token"), "DOCQA_TOKEN": "the-right-one"}
    async with _ingress(echo, settings) as client:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic dGhlLXJpZ2h0LW9uZQ=="}):
            for response in (
                await client.http.post("/api/query", json={"query": "Who?"}, headers=headers),
                await client.http.get(f"/api/jobs/{uuid4()}", headers=headers),
            ):
                problem(response, 401)
                assert response.headers["www-authenticate"].startswith("Bearer")
        client.http.headers["Authorization"] = "Bearer the-right-one"
        assert (await client.ask("Who?")).status_code == 200
        problem(await client.http.get(f"/api/jobs/{uuid4()}"), 404)


async def test_secrets_reach_neither_the_bus_nor_the_log_nor_the_answer(echo: Stack) -> None:
    """Read from the stream as admin while the worker is paused."""
    question = f"Is {AWS_KEY} valid, and what of {CARD}?"
    context = f"curl -H 'Authorization: Bearer {BEARER}' https://example.com\n{PEM}\nThe end."
    async with echo.client() as client, echo.bus() as bus:
        async with echo.paused("worker"):
            job_id = await client.submit(question, context=context)
            [subject] = [s for s in await stored_subjects(bus, topology.JOBS_STREAM) if s.endswith(job_id)]
            message = await bus.js.get_msg(topology.JOBS_STREAM, subject=subject, direct=True)
        job = await client.finished(job_id)
        entry = await bus.results.get(subject.removeprefix("docqa.jobs."))
    stored = json.loads(message.data or b"")
    assert stored["query"] == "Is [REDACTED:aws-key] valid, and what of [REDACTED:card]?"
    assert "Bearer [REDACTED:bearer-token]" in stored["context"]
    assert "[REDACTED:private-key]\nThe end." in stored["context"]
    assert subject.startswith("docqa.jobs.http.")
    assert entry
    places = [(message.data or b"").decode(), str(message.headers), json.dumps(job), entry.value.decode(), echo.log()]
    for secret in (AWS_KEY, BEARER, CARD, "MIIEowIBAAKCAQEA7v"):
        assert not [place for place in places if secret in place]


async def test_health_says_what_a_client_needs_to_know(client: Client) -> None:
    health = await client.health()
    assert (health["http_status"], health["status"]) == (200, "healthy")
    assert health["queue_capacity"] == 60
    assert health["queue_depth"] >= 0
    assert health["running"] >= 0
    assert len(health["workers"]) == 1
    for path in ("/health/live", "/health/ready"):
        assert (await client.http.get(path)).status_code == 200


async def test_the_schema_names_the_routes_and_loads_nothing_from_elsewhere(client: Client) -> None:
    response = await client.http.get("/schema")
    assert response.status_code == 200
    assert "json" in response.headers["content-type"]
    assert response.json()["paths"].keys() >= {"/api/query", "/health"}


async def test_clients_that_hang_up_leave_a_queue_that_drains(echo: Stack) -> None:
    async with echo.client() as client:
        hasty = [asyncio.create_task(client.ask(f"Who leaves {n}?")) for n in range(8)]
        await asyncio.sleep(0.1)
        for task in hasty:
            task.cancel()
        await asyncio.gather(*hasty, return_exceptions=True)
    async with echo.client() as client:

        async def is_idle() -> bool:
            return bool((await client.health())["queue_depth"] == 0)

        await eventually(is_idle, "the queue drains")
