"""The application on a real bus, asked over HTTP."""

import asyncio
import contextlib
import json
import re
import signal
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from contract import library_messages as messages
from contract import topology
from contract.bus import Bus, connected, restore_mark
from contract.bus.restore_mark import Restored
from contract.errors import AlreadyAcceptedError, StoreFullError
from contract.library_messages import StatusReply
from contract.messages import (
    TEMPORARY_FAILURES,
    Answer,
    Failure,
    Query,
    WorkerAnnouncement,
    decode_query,
    decode_result,
    encode,
)
from contract.runtime.tracing import traceparent_of
from contract.settings import Secret
from contract.topology import JobName
from inference_worker.engines.echo import EchoEngine
from ingress.__main__ import connect
from ingress.api import health as health_api
from ingress.app import create_app
from ingress.services import Services
from ingress.settings import IngressSettings
from tests.support.bus_side import TICK_S, count, is_gone, new_job, paused, publish, result_of, until_connected
from tests.support.engines import Failing, Gated, Narrow, Noting
from tests.support.nats_server import RunningServer
from tests.support.waiting import eventually
from tests.support.worker_side import asked, working

AT_ONCE_S = 0.5
LIMIT = 2**20
AWS_KEY = "AKIA" + "Z7QJ3MNBVC2XK5LP"
ASYNC = {"Prefer": "respond-async"}
NOBODYS = "0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Ingress:
    """The application in this process, and a client of it."""

    def __init__(self, services: Services, http: httpx.AsyncClient) -> None:
        self.services = services
        self.http = http

    async def ask(self, query: str = "Who?", headers: dict[str, str] | None = None, **fields: Any) -> httpx.Response:
        return await self.http.post("/api/query", json={"query": query, **fields}, headers=headers)

    async def submit(self, query: str = "Who?", **fields: Any) -> JobName:
        """Ask without waiting; the job's name."""
        response = await self.ask(query, ASYNC, **fields)
        assert response.status_code == 202, response.text
        return job_of(response)

    async def job(self, job: JobName) -> dict[str, Any]:
        response = await self.http.get(f"/api/jobs/{job.job_id}")
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        return body

    async def hears(self, **members: Any) -> None:
        """A worker announces itself."""
        plain = WorkerAnnouncement(
            id="w",
            model="echo",
            slots=4,
            busy=0,
            held=0,
            jobs_per_s=2.0,
            tokens_per_s=10.0,
            memory_bytes=1,
            context_tokens=8192,
            max_prompt_bytes=2**30,
        )
        said = encode(msgspec.structs.replace(plain, **members))
        await self.services.fleet.on_message(Msg(_client=self.services.bus.client, data=said))


def services_with(**settings: Any) -> Services:
    return Services.of(IngressSettings(**settings), Bus())


@contextlib.asynccontextmanager
async def asking(services: Services, **headers: str) -> AsyncIterator[Ingress]:
    transport = httpx.ASGITransport(app=create_app(services))  # type: ignore[arg-type]  # httpx has its own types of ASGI
    async with httpx.AsyncClient(transport=transport, base_url="http://docqa", headers=headers) as http:
        yield Ingress(services, http)


@contextlib.asynccontextmanager
async def serving(server: RunningServer, **settings: Any) -> AsyncIterator[Ingress]:
    """The ingress on the bus, by its own rights, while the block runs."""
    role = server.settings_for("ingress")
    services = services_with(nats_url=role.nats_url, nats_password=role.nats_password, **settings)
    await connect(services)
    try:
        async with asking(services) as ingress:
            yield ingress
    finally:
        await services.bus.close()


@pytest.fixture
async def ingress(server: RunningServer) -> AsyncIterator[Ingress]:
    async with serving(server, sync_wait_s=10.0) as ingress:
        yield ingress


def job_of(response: httpx.Response, client: str = "local") -> JobName:
    return JobName("http", client, response.headers["location"].rpartition("/")[2])


def problem(response: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    """The response's problem details, which must be in order."""
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert (response.status_code, body["status"], body["type"]) == (status, status, kind), body
    assert body["title"]
    assert body["detail"].endswith(".")
    return body


async def on_stream(bus: Bus, job: JobName) -> tuple[Query, dict[str, str]]:
    message = await bus.js.get_msg(topology.JOBS_STREAM, subject=job.subject, direct=True)
    return decode_query(message.data or b""), dict(message.headers or {})


async def waiting_job(bus: Bus) -> JobName:
    """The one job on the stream, once it is there."""

    async def probe() -> JobName | None:
        subjects = (await bus.js.stream_info(topology.JOBS_STREAM, subjects_filter=">")).state.subjects
        return JobName.from_subject(next(iter(subjects))) if subjects else None

    job = await eventually(probe, "a job is on the stream", 10, TICK_S)
    assert job
    return job


async def test_who_waits_gets_the_answer(server: RunningServer, ingress: Ingress) -> None:
    async with working(server, EchoEngine(2)):
        response = await ingress.ask("Who is there?", context="Nobody.")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert (body["status"], body["answer"], body["model"], body["backend"]) == (
        "done",
        "Who is there?",
        "echo",
        "local",
    )
    assert body["usage"] == {"prompt_tokens": 4, "completion_tokens": 3, "cached_tokens": 0}
    assert body["timings"].keys() == {"queued_ms", "prefill_ms", "decode_ms", "total_ms"}
    assert "body_sha256" not in body


async def test_who_does_not_wait_finds_the_job_queued_then_running_then_done(
    server: RunningServer, ingress: Ingress
) -> None:
    response = await ingress.ask("Who?", ASYNC)
    job = job_of(response)
    assert response.status_code == 202
    accepted = {"id": job.job_id, "status": "queued", "position": 0}
    assert response.json() == {**accepted, "location": f"/api/jobs/{job.job_id}"}
    assert await ingress.job(job) == accepted
    engine = Gated()
    async with working(server, engine), server.bus() as admin:
        await asked(engine)
        assert await ingress.job(job) == {"id": job.job_id, "status": "running"}
        engine.gate.set()
        await is_gone(admin, job)
        done = await ingress.job(job)
    assert (done["id"], done["status"], done["answer"]) == (job.job_id, "done", "Who?")
    assert "body_sha256" not in done


async def test_queued_jobs_say_how_many_are_before_them_and_when_their_answers_are_expected(ingress: Ingress) -> None:
    await ingress.hears(slots=2, jobs_per_s=0.5)
    accepted = [(await ingress.ask("Who?", ASYNC)).json() for _ in range(4)]
    assert all(job["position"] <= number and job["expected_s"] >= 4.0 for number, job in enumerate(accepted))

    async def are_in_order() -> bool:
        # The server counts what a consumer has to deliver a moment after it has stored a job.
        jobs = [(await ingress.http.get(job["location"])).json() for job in accepted]
        said = [(job["status"], job["position"], job["expected_s"]) for job in jobs]
        return said == [("queued", 0, 4.0), ("queued", 1, 4.0), ("queued", 2, 6.0), ("queued", 3, 8.0)]

    await eventually(are_in_order, "each job knows its position", 15, TICK_S)


async def test_a_result_that_a_client_was_given_counts_as_read(
    server: RunningServer, ingress: Ingress, admin: Bus
) -> None:
    async with working(server, EchoEngine(2)):
        job = job_of(await ingress.ask("Who?", ASYNC))
        await result_of(admin, job)
        assert await admin.next_stored(topology.READ_STREAM, 1, topology.READ_SUBJECTS) is None
        assert (await ingress.job(job))["status"] == "done"

        async def reported() -> str | None:
            found = await admin.next_stored(topology.READ_STREAM, 1, topology.READ_SUBJECTS)
            return found.subject if found else None

        assert await eventually(reported, "the result counts as read", 15, TICK_S) == job.read_subject


async def test_a_wait_that_ends_before_the_job_is_a_202_and_the_job_goes_on(
    server: RunningServer, ingress: Ingress, admin: Bus
) -> None:
    response = await ingress.ask("Who?", {"Prefer": "wait=0"})
    assert response.status_code == 202
    async with working(server, EchoEngine(2)):
        assert isinstance(await result_of(admin, job_of(response)), Answer)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{}", "query"),
        (b'{"query":5}', "query"),
        (b'{"query":" "}', "query"),
        (b'{"query":"Who?","contxt":"x"}', "contxt"),
        (b'{"query":"Who?","v":1}', "v"),
        (b'{"query":"Who?","max_tokens":0}', "max_tokens"),
        (b'{"query":"Who?","stop":["a",""]}', "stop[1]"),
    ],
)
async def test_a_body_that_is_wrong_is_a_400_that_names_the_field(ingress: Ingress, body: bytes, field: str) -> None:
    response = await ingress.http.post("/api/query", content=body, headers={"Content-Type": "application/json"})
    assert f"`{field}`" in problem(response, 400, "bad-request")["detail"]


@pytest.mark.parametrize("body", [b"", b"{", b"nonsense", b'{"query":"\xff"}', b'{"query":"\\ud800"}', b"[" * 100_000])
async def test_a_body_that_is_not_json_is_a_400(ingress: Ingress, body: bytes) -> None:
    response = await ingress.http.post("/api/query", content=body, headers={"Content-Type": "application/json"})
    problem(response, 400, "bad-request")


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
async def test_a_body_that_does_not_say_that_it_is_json_is_a_415(ingress: Ingress, content_type: str | None) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    response = await ingress.http.post("/api/query", content=b'{"query":"Who?"}', headers=headers)
    problem(response, 415, "unsupported-media-type")
    assert response.headers["accept-post"] == "application/json"


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
async def test_json_may_say_so_in_other_words(ingress: Ingress, content_type: str) -> None:
    headers = {"Content-Type": content_type, **ASYNC}
    response = await ingress.http.post("/api/query", content=b'{"query":"Who?"}', headers=headers)
    assert response.status_code == 202


@pytest.mark.parametrize("coding", ["gzip", "br", "GZIP, identity"])
async def test_a_compressed_body_is_a_415_that_names_the_header(ingress: Ingress, coding: str) -> None:
    response = await ingress.ask(headers={"Content-Encoding": coding})
    assert "`Content-Encoding`" in problem(response, 415, "unsupported-media-type")["detail"]
    assert response.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("path", ["/page", "/page/", "/api", "/api/query/", "/api/jobs", "/nowhere"])
async def test_what_is_not_there_is_a_404(ingress: Ingress, path: str) -> None:
    response = await ingress.http.get(path)
    assert response.status_code in (404, 405)
    problem(response, response.status_code, "not-found" if response.status_code == 404 else "method-not-allowed")


async def test_a_method_that_a_path_does_not_take_is_a_405(ingress: Ingress) -> None:
    response = await ingress.http.put("/api/query", json={})
    problem(response, 405, "method-not-allowed")
    assert "POST" in response.headers["allow"]


async def test_a_body_over_the_limit_is_a_413_with_both_sizes(ingress: Ingress) -> None:
    size = LIMIT + 1000
    body = b'{"query":"' + b"x" * (size - 12) + b'"}'
    response = await ingress.http.post("/api/query", content=body, headers={"Content-Type": "application/json"})
    told = problem(response, 413, "body-too-large")
    assert (told["size_bytes"], told["limit_bytes"], told["cut_chars"]) == (size, LIMIT, 1000)


async def test_a_body_over_the_limit_that_does_not_tell_its_size_is_a_413_too(ingress: Ingress) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * (LIMIT // 10)

    response = await ingress.http.post("/api/query", content=chunks(), headers={"Content-Type": "application/json"})
    assert problem(response, 413, "body-too-large")["limit_bytes"] == LIMIT


async def test_a_body_just_under_the_limit_is_taken(ingress: Ingress, admin: Bus) -> None:
    question = '{"query":"Who?","context":"' + "é" * ((LIMIT - 40) // 2) + '"}'
    headers = {"Content-Type": "application/json", **ASYNC}
    response = await ingress.http.post("/api/query", content=question.encode(), headers=headers)
    assert response.status_code == 202
    assert (await on_stream(admin, job_of(response)))[0].context.startswith("é")


async def test_a_body_that_outgrows_the_bus_by_its_markers_is_a_413(ingress: Ingress, admin: Bus) -> None:
    """What makes a text harmless makes it longer."""
    response = await ingress.ask("Who?", context="<s>" * (LIMIT // 3 - 50))
    problem(response, 413, "body-too-large")
    assert await count(admin, topology.JOBS_STREAM) == 0


async def test_a_text_of_secrets_is_a_400_at_the_door(ingress: Ingress, admin: Bus) -> None:
    told = problem(await ingress.ask("Who?", context=f"{AWS_KEY}\n" * 1001), 400, "too-many-secrets")
    assert AWS_KEY not in repr(told)
    assert await count(admin, topology.JOBS_STREAM) == 0


async def test_a_prompt_that_fits_no_worker_is_a_413_at_the_door(ingress: Ingress) -> None:
    await ingress.hears(max_prompt_bytes=100)
    told = problem(await ingress.ask("Who?", context="x" * 200), 413, "prompt-too-long")
    assert (told["size_bytes"], told["limit_bytes"], told["cut_chars"]) == (204, 100, 104)


async def test_a_prompt_that_the_worker_finds_too_long_is_a_413_with_its_tokens(
    server: RunningServer, ingress: Ingress
) -> None:
    async with working(server, Narrow()):
        told = problem(await ingress.ask(), 413, "prompt-too-long")
    assert (told["prompt_tokens"], told["limit_tokens"], told["cut_chars"]) == (9000, 8000, 4200)


async def test_an_engine_that_fails_for_good_is_a_500_with_the_failures_code(
    server: RunningServer, ingress: Ingress
) -> None:
    async with working(server, Failing(times=99), max_attempts=1):
        told = problem(await ingress.ask(), 500, "engine-error")
    assert (told["attempts"], told["dead_letter"]) == (1, True)
    assert "body_sha256" not in told


async def test_a_full_queue_is_a_429_at_once_with_whole_seconds(small_server: RunningServer) -> None:
    async with serving(small_server) as ingress, small_server.bus() as admin:
        for _ in range(2):
            await ingress.submit()
        begun_s = time.monotonic()
        response = await ingress.ask()
        assert time.monotonic() - begun_s < AT_ONCE_S
        told = problem(response, 429, "queue-full")
        assert (response.headers["retry-after"], told["capacity"]) == ("60", 2)
        assert "No worker is running" in told["detail"]
        await ingress.hears(jobs_per_s=0.7)
        assert (await ingress.ask()).headers["retry-after"] == "2"
        assert (await ingress.ask()).headers["retry-after"] == "2", "the same refusal again is the same promise"
        for key, told_s in (("one", "3"), ("two", "4"), ("one", "3")):
            keyed = await ingress.ask("Who?", {**ASYNC, "Idempotency-Key": key})
            assert keyed.headers["retry-after"] == told_s, "of the same question, each key has a promise of its own"
        outside = (await ingress.http.get("/health")).json()["outside"]
        assert outside["clients"] == 3
        assert 0 < outside["soonest_s"] <= outside["median_s"] <= outside["latest_s"] <= 4
        assert await count(admin, topology.JOBS_STREAM) == 2
        await admin.js.purge_stream(topology.JOBS_STREAM)
        await ingress.submit()


async def test_with_a_token_set_only_who_has_it_may_ask_and_read(server: RunningServer) -> None:
    async with serving(server, token=Secret("the-right-one")) as ingress:
        calls = [("POST", "/api/query"), ("GET", f"/api/jobs/{NOBODYS}"), ("DELETE", f"/api/jobs/{NOBODYS}")]
        for method, path in calls:
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic dTpw"}):
                response = await ingress.http.request(method, path, headers=headers)
                problem(response, 401, "unauthorized")
                assert response.headers["www-authenticate"].startswith("Bearer ")
        assert (await ingress.http.get("/health/live")).status_code == 200
        ingress.http.headers["Authorization"] = "Bearer the-right-one"
        response = await ingress.ask("Who?", ASYNC)
        assert response.status_code == 202
        await ingress.job(job_of(response, "default"))
        assert (await ingress.http.get(f"/api/jobs/{NOBODYS}")).status_code == 404


@pytest.mark.parametrize("job_id", ["x", "0", NOBODYS.upper(), NOBODYS + "0", "*", ">", "%2e%2e", NOBODYS])
async def test_a_job_that_there_is_not_is_a_404(ingress: Ingress, job_id: str) -> None:
    problem(await ingress.http.get(f"/api/jobs/{job_id}"), 404, "no-such-job")
    problem(await ingress.http.delete(f"/api/jobs/{job_id}"), 404, "no-such-job")


async def test_a_job_of_somebody_else_is_a_404(ingress: Ingress, admin: Bus) -> None:
    for other in (new_job("http", "other"), new_job("alice", "local")):
        await publish(admin, job=other)
        problem(await ingress.http.get(f"/api/jobs/{other.job_id}"), 404, "no-such-job")
        problem(await ingress.http.delete(f"/api/jobs/{other.job_id}"), 404, "no-such-job")
        assert await admin.find_job(other)


async def test_what_reaches_the_stream_is_sanitized_and_carries_hash_and_trace(ingress: Ingress, admin: Bus) -> None:
    response = await ingress.ask(f"Is {AWS_KEY} valid?", {**ASYNC, "traceparent": TRACE}, stop=[AWS_KEY])
    query, headers = await on_stream(admin, job_of(response))
    assert (query.query, query.stop) == ("Is [REDACTED:aws-key] valid?", ["[REDACTED:aws-key]"])
    assert headers[topology.TRACE_HEADER] == TRACE
    assert re.fullmatch("[0-9a-f]{64}", headers[topology.BODY_HASH_HEADER])


@pytest.mark.parametrize("trace", ["", "nonsense", TRACE.upper(), TRACE + "-x", f"{TRACE} "])
async def test_a_trace_that_is_none_goes_no_further_and_the_job_gets_one_of_its_own(
    ingress: Ingress, admin: Bus, trace: str
) -> None:
    response = await ingress.ask("Who?", {**ASYNC, "traceparent": trace})
    _, headers = await on_stream(admin, job_of(response))
    assert traceparent_of(headers) not in (None, TRACE)


async def test_who_waits_past_the_deadline_gets_504_and_the_job_is_not_run(
    server: RunningServer, ingress: Ingress, admin: Bus
) -> None:
    told = problem(await ingress.ask(deadline_s=0.1), 504, "deadline-exceeded")
    assert "0.1 s" in told["detail"]
    engine, job = Noting(), JobName("http", "local", told["id"])
    async with working(server, engine):
        await is_gone(admin, job)
    assert engine.asked == []
    assert (await ingress.job(job))["code"] == "deadline-exceeded"


async def test_when_the_ingress_stops_who_waits_gets_202_and_nothing_is_cancelled(
    server: RunningServer, ingress: Ingress, admin: Bus
) -> None:
    """Also where the deadline would have come before the end of the wait."""
    asking = asyncio.create_task(ingress.ask("Who?", deadline_s=8))
    job = await waiting_job(admin)
    ingress.services.replies.release()
    response = await asyncio.wait_for(asking, AT_ONCE_S)
    assert response.status_code == 202
    assert job_of(response) == job
    assert await admin.results.get(job.key) is None
    async with working(server, EchoEngine(2)):
        assert isinstance(await result_of(admin, job), Answer)


async def test_a_live_reply_that_was_lost_is_found_in_the_bucket(
    server: RunningServer, ingress: Ingress, admin: Bus
) -> None:
    asking = asyncio.create_task(ingress.ask("Who?", {"Prefer": "wait=1"}))
    job = await waiting_job(admin)
    failure = Failure(id=job.job_id, code="cancelled", detail="It was.")
    await admin.results.create(job.key, encode(failure))
    problem(await asking, 409, "cancelled")


async def test_after_a_reconnect_who_waits_is_looked_up(server: RunningServer, ingress: Ingress) -> None:
    async with server.bus() as admin:
        asking = asyncio.create_task(ingress.ask("Who?"))
        job = await waiting_job(admin)
    bus = ingress.services.bus
    server.stop(signal.SIGKILL)
    await until_connected(bus, is_connected=False)
    server.start()
    async with server.bus() as admin:
        await admin.results.create(job.key, encode(Failure(id=job.job_id, code="cancelled", detail="It was.")))
        await until_connected(bus)
        # Had the reconnect come first, its look would have found nothing.
        await ingress.services.replies.look_up_all()
    problem(await asyncio.wait_for(asking, 2), 409, "cancelled")


async def test_without_a_bus_everything_says_so_at_once(server: RunningServer, ingress: Ingress, admin: Bus) -> None:
    known = await ingress.submit()
    server.stop(signal.SIGKILL)
    await until_connected(ingress.services.bus, is_connected=False)
    begun_s = time.monotonic()
    for response in (
        await ingress.ask(),
        await ingress.ask("Who?", {"Accept": "text/event-stream"}),
        await ingress.ask("Who?", {"Idempotency-Key": "k"}),
        await ingress.http.get(f"/api/jobs/{known.job_id}"),
        await ingress.http.delete(f"/api/jobs/{known.job_id}"),
        await ingress.http.get("/health/ready"),
    ):
        problem(response, 503, "bus-unavailable")
        assert int(response.headers["retry-after"]) >= 1
    health = await ingress.http.get("/health")
    assert (health.status_code, health.json()["status"]) == (503, "unhealthy")
    assert (await ingress.http.get("/health/live")).status_code == 200
    assert "docqa_bus_connected 0.0" in (await ingress.http.get("/metrics")).text
    assert time.monotonic() - begun_s < 2 * AT_ONCE_S
    server.start()
    await until_connected(ingress.services.bus)
    await until_connected(admin)
    assert await count(admin, topology.JOBS_STREAM) == 1
    assert (await ingress.http.get("/health/ready")).status_code == 200
    assert "docqa_bus_connected 1.0" in (await ingress.http.get("/metrics")).text


async def test_before_the_bus_is_there_the_ingress_serves_and_later_goes_on_by_itself(server: RunningServer) -> None:
    server.stop()
    role = server.settings_for("ingress")
    services = services_with(nats_url=role.nats_url, nats_password=role.nats_password)
    connecting = asyncio.create_task(connect(services))
    await asyncio.sleep(0)
    async with asking(services) as ingress:
        assert (await ingress.http.get("/health")).status_code == 503
        problem(await ingress.ask(), 503, "bus-unavailable")
        server.start()
        await asyncio.wait_for(connecting, 10)
        assert (await ingress.http.get("/health")).json()["status"] == "degraded"
        await ingress.submit()
    await services.bus.close()


async def test_an_outcome_that_is_not_known_is_a_503_that_says_where_to_look(
    server: RunningServer, ingress: Ingress
) -> None:
    bus = ingress.services.bus
    bus.js = JetStreamContext(bus.client, timeout=0.2)
    async with paused(server):
        response = await ingress.ask()
    told = problem(response, 503, "outcome-unknown")
    assert response.headers["location"] == f"/api/jobs/{told['id']}"
    assert int(response.headers["retry-after"]) >= 1
    bus.js = JetStreamContext(bus.client, timeout=5)

    async def is_queued() -> bool:
        return (await ingress.http.get(response.headers["location"])).status_code == 200

    await eventually(is_queued, "the job that was stored is found", 5, TICK_S)


async def test_health_tells_the_queue_the_model_and_the_workers(server: RunningServer, ingress: Ingress) -> None:
    found = (await ingress.http.get("/health")).json()
    # Of the whole process, and so of the tests before this one too.
    assert found.pop("refused") >= 0
    assert found == {
        "status": "degraded",
        "queue_depth": 0,
        "running": 0,
        "queue_capacity": 10,
        "outside": {"clients": 0},
        "model": None,
        "jobs": {"status": "ok"},
        "clock": {"status": "ok"},
        "rate_limit": {"enabled": False, "client_share": 1.0},
        "tokens": {"status": "off"},
        "audit": {"status": "off"},
        "results": {"status": "ok"},
        "library": {"status": "unavailable"},
        "workers": [],
    }
    await ingress.hears()
    engine = Gated()
    async with working(server, engine):
        await ingress.submit()
        await asked(engine)
        body = (await ingress.http.get("/health")).json()
        assert (body["status"], body["queue_depth"], body["running"]) == ("healthy", 1, 1)
        assert body["model"] == {"name": "echo", "context_tokens": 8192, "status": "ok"}
        assert [worker["id"] for worker in body["workers"]] == ["w"]


async def test_a_job_that_a_restore_brought_back_does_not_count_as_one_that_never_ends(
    ingress: Ingress, admin: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingress.api.health.OVERDUE_S", -ingress.services.settings.job_deadline_s)
    await ingress.submit()
    found = (await ingress.http.get("/health")).json()
    assert found["jobs"]["status"] == "failing"
    await restore_mark.write(admin, Restored(time.time() + 60, 1))
    assert (await ingress.http.get("/health")).json()["jobs"] == {"status": "ok"}
    assert 'docqa_failing{part="jobs"} 0.0' in (await ingress.http.get("/metrics")).text


async def test_a_library_that_was_there_and_does_not_answer_is_missed(server: RunningServer, ingress: Ingress) -> None:
    async def answer(message: Msg) -> None:
        await library.client.publish(message.reply, messages.encode(StatusReply(documents=[], problems=problems)))

    async with working(server, EchoEngine(2)):
        await ingress.hears()
        assert (await ingress.http.get("/health")).json()["status"] == "healthy"
        problems: list[str] = []
        async with connected(server.settings_for("library"), "library") as library:
            await library.subscribe(topology.LIBRARY_SUBJECTS, answer)
            await library.client.flush()
            assert (await ingress.http.get("/health")).json()["library"] == {"status": "ok"}
            problems.append("The disk is full.")
            found = (await ingress.http.get("/health")).json()
            assert (found["status"], found["library"]["detail"]) == ("degraded", "The disk is full.")
        found = (await ingress.http.get("/health")).json()
        assert (found["status"], found["library"]) == ("degraded", {"status": "unavailable"})
        assert 'docqa_failing{part="library"} 1.0' in (await ingress.http.get("/metrics")).text


async def test_the_queues_metrics_are_healths_numbers(ingress: Ingress) -> None:
    await ingress.submit()
    response = await ingress.http.get("/metrics")
    assert response.headers["content-type"].count("charset") == 1
    assert "docqa_job_queue_length 1.0" in response.text
    assert "docqa_job_queue_capacity 10.0" in response.text


async def test_a_retry_with_its_key_is_the_same_job(server: RunningServer, ingress: Ingress, admin: Bus) -> None:
    keyed = {"Idempotency-Key": "order-17"}
    first = await ingress.ask("Who?", {**ASYNC, **keyed})
    assert (first.status_code, job_of(await ingress.ask("Who?", {**ASYNC, **keyed}))) == (202, job_of(first))
    assert await count(admin, topology.JOBS_STREAM) == 1
    problem(await ingress.ask("Who else?", {**ASYNC, **keyed}), 422, "key-reused")
    async with working(server, EchoEngine(2)):
        second = await ingress.ask("Who?", keyed)
        await is_gone(admin, job_of(first))
    third = await ingress.ask("Who?", keyed)
    assert third.json() == second.json()
    assert third.json()["id"] == job_of(first).job_id
    problem(await ingress.ask("Who else?", keyed), 422, "key-reused")


@pytest.mark.parametrize("code", sorted(TEMPORARY_FAILURES))
async def test_a_temporary_failure_is_not_kept_as_the_result_of_a_key(
    server: RunningServer, ingress: Ingress, admin: Bus, code: str
) -> None:
    keyed = {"Idempotency-Key": "order-20"}
    jobs = []
    for _ in range(6):
        jobs.append(job_of(await ingress.ask("Who?", {**ASYNC, **keyed})))
        assert job_of(await ingress.ask("Who?", {**ASYNC, **keyed})) == jobs[-1]
        await admin.results.create(jobs[-1].key, encode(Failure(id=jobs[-1].job_id, code=code, detail="Later.")))
    assert len(set(jobs)) == 6
    async with working(server, EchoEngine(2)):
        answer = await ingress.ask("Who?", keyed)
    assert (answer.status_code, answer.json()["status"]) == (200, "done")
    assert (await ingress.ask("Who?", keyed)).json() == answer.json()


async def test_a_lasting_failure_is_kept_as_the_result_of_its_key(ingress: Ingress, admin: Bus) -> None:
    keyed = {"Idempotency-Key": "order-21"}
    job = job_of(await ingress.ask("Who?", {**ASYNC, **keyed}))
    failure = Failure(id=job.job_id, code="engine-error", detail="It failed.")
    await admin.results.create(job.key, encode(failure))
    assert problem(await ingress.ask("Who?", keyed), 500, "engine-error")["id"] == job.job_id


async def test_where_the_store_of_results_is_full_a_cancel_is_a_503_and_health_says_why(
    small_server: RunningServer,
) -> None:
    async with serving(small_server) as ingress, small_server.bus() as admin:
        job = await ingress.submit()
        with pytest.raises(StoreFullError, match="DOCQA_RESULTS is full"):
            await fill(admin)
        response = await ingress.http.delete(f"/api/jobs/{job.job_id}")
        problem(response, 503, "store-full")
        assert int(response.headers["retry-after"]) >= 1
        assert (await ingress.job(job))["status"] == "queued"
        health = (await ingress.http.get("/health")).json()
        assert (health["status"], health["results"]["status"]) == ("degraded", "failing")
        assert "The store of results is full" in health["results"]["detail"]


async def test_health_names_what_keeps_a_worker_from_storing_results(ingress: Ingress) -> None:
    await ingress.hears(error="Results can't be stored: The store DOCQA_RESULTS is full.")
    health = (await ingress.http.get("/health")).json()
    assert health["status"] == "degraded"
    assert health["results"] == {
        "status": "failing",
        "detail": "Results can't be stored: The store DOCQA_RESULTS is full.",
    }


@pytest.mark.parametrize(
    ("announced", "part", "sentence"),
    [
        ({"clock_skew_s": 300.0}, "clock", "A clock is 300.0 s ahead of the bus's"),
        ({"clock_skew_s": -9.5}, "clock", "A clock is 9.5 s behind the bus's"),
        ({"model_error": "The model has completed no step for 31 s."}, "model", "no step for 31 s"),
    ],
)
async def test_health_and_metrics_name_the_part_that_fails(
    ingress: Ingress, announced: dict[str, Any], part: str, sentence: str
) -> None:
    await ingress.hears(**announced)
    health = (await ingress.http.get("/health")).json()
    assert (health["status"], health[part]["status"]) == ("degraded", "failing")
    assert sentence in health[part]["detail"]
    metrics = (await ingress.http.get("/metrics")).text
    assert f'docqa_failing{{part="{part}"}} 1.0' in metrics
    assert 'docqa_failing{part="jobs"} 0.0' in metrics


async def test_health_says_when_a_job_outlives_every_deadline(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(server, job_deadline_s=1.0) as ingress:
        monkeypatch.setattr(health_api, "OVERDUE_S", 0.0)
        await ingress.hears()
        await ingress.submit()

        async def is_named() -> bool:
            jobs = (await ingress.http.get("/health")).json()["jobs"]
            return jobs["status"] == "failing" and "longer than any deadline" in jobs["detail"]

        await eventually(is_named, "the job that no worker ends is named", 20)


async def fill(bus: Bus) -> None:
    for number in range(100):
        await bus.results.put(f"http.local.{number}", b"x" * 64)


async def test_a_keyed_job_that_was_there_and_left_no_trace_is_published_again(
    ingress: Ingress, admin: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_as_known(ingress, monkeypatch, times=1)
    response = await ingress.ask("Who?", {**ASYNC, "Idempotency-Key": "order-18"})
    assert response.status_code == 202
    assert await waiting_job(admin) == job_of(response)


async def test_a_keyed_job_that_is_always_there_and_never_found_is_no_202(
    ingress: Ingress, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_as_known(ingress, monkeypatch, times=10)
    problem(await ingress.ask("Who?", {**ASYNC, "Idempotency-Key": "order-19"}), 503, "outcome-unknown")


def refuse_as_known(ingress: Ingress, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """The stream says of the next jobs that they are there already, and they are gone when they are looked for."""
    publish_job, left = ingress.services.bus.publish_job, iter(range(times))

    async def refuse(job: JobName, body: bytes, headers: dict[str, str]) -> None:
        if next(left, None) is not None:
            raise AlreadyAcceptedError
        await publish_job(job, body, headers)

    monkeypatch.setattr(ingress.services.bus, "publish_job", refuse)


async def test_a_job_that_waits_is_cancelled_and_never_run(server: RunningServer, ingress: Ingress, admin: Bus) -> None:
    job = await ingress.submit()
    response = await ingress.http.delete(f"/api/jobs/{job.job_id}")
    assert (response.status_code, response.json()["code"]) == (202, "cancelled")
    engine = Noting()
    async with working(server, engine):
        await is_gone(admin, job)
    assert engine.asked == []
    assert (await ingress.job(job))["code"] == "cancelled"


async def test_a_result_that_is_erased_is_gone_for_good(server: RunningServer, ingress: Ingress, admin: Bus) -> None:
    async with working(server, EchoEngine(2)):
        job = await ingress.submit("a secret matter")
        await is_gone(admin, job)
    response = await ingress.http.delete(f"/api/jobs/{job.job_id}")
    assert (response.status_code, response.json()["code"]) == (200, "erased")
    entry = await admin.results.get(job.key)
    assert entry
    assert b"secret" not in entry.value
    assert decode_result(entry.value) == Failure(id=job.job_id, code="erased", detail="The client erased the result.")


async def test_events_tell_each_piece_then_the_result(server: RunningServer, ingress: Ingress) -> None:
    async with working(server, EchoEngine(2)):
        response = await ingress.ask("Who is there?", {"Accept": "text/event-stream"})
    assert response.headers["content-type"].startswith("text/event-stream")
    events = [
        (event, json.loads(data))
        for event, data in re.findall(r"^event: (\w+)\r?\ndata: (.*?)\r?$", response.text, re.MULTILINE)
    ]
    assert [name for name, _ in events] == ["token", "token", "token", "result"]
    assert "".join(body["text"] for name, body in events if name == "token") == "Who is there?"
    assert events[-1][1]["answer"] == "Who is there?"


async def test_events_of_a_job_that_fails_end_with_its_problem(ingress: Ingress) -> None:
    response = await ingress.ask("Who?", {"Accept": "text/event-stream"}, deadline_s=0.1)
    assert response.status_code == 200
    assert "event: error" in response.text
    assert '"type":"deadline-exceeded"' in response.text
