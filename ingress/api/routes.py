"""The HTTP routes of the API. Each handler has four steps: parse, admit, wait, answer."""

import contextlib
from collections.abc import Iterator
from typing import Final

import msgspec
from litestar import Response, Router, post, route
from litestar.params import FromPath
from litestar.response import ServerSentEvent

from contract import topology
from contract.errors import OutcomeUnknownError
from contract.messages import Answer, Failure, Question, Result, decode_question, encode
from contract.runtime import logs
from contract.runtime.tracing import traceparent_of
from contract.topology import JobName, is_canonical_uuid
from ingress import problems
from ingress.api.events import events_of, primed
from ingress.api.following import ending_of, followed, waited_for
from ingress.api.preference import Preference
from ingress.auth.authenticate import authenticator
from ingress.auth.rate_limiter import Limiter
from ingress.jobs import status as jobs
from ingress.jobs.admission import Admitted, Asked, location_of
from ingress.jobs.positions import Position
from ingress.jobs.replies import Reply
from ingress.jobs.status import Unfinished
from ingress.jobs.waiting import HungUpError
from ingress.middleware.audit import record_of
from ingress.problems import Problem
from ingress.services import HttpRequest, HttpResponse, Services, services_of

JSON: Final = "application/json"
CLIENT_CLOSED_REQUEST: Final = 499
"""nginx's status for a client that hung up; it is seen in metrics only."""


@post("/query", status_code=200)
async def ask(request: HttpRequest) -> HttpResponse:
    """Ask a question about a document; wait for the answer, or come back for it."""
    try:
        return await _ask(request, services_of(request))
    except Problem as problem:
        # Refusals must stay cheap under overload, and Litestar's exception handling is slow.
        return problem.response()


async def _ask(request: HttpRequest, services: Services) -> HttpResponse:
    require_json(request)
    preference = Preference.of(request)
    parent = traceparent_of(request.headers)
    with services.tracer.span("POST /api/query", parent, "server") as trace:
        return await _answer(request, services, preference, await understand(request, services, preference, trace))


async def _answer(request: HttpRequest, services: Services, preference: Preference, asked: Asked) -> HttpResponse:
    if preference.events:
        happenings = followed(services, asked, returns_later=preference.returns_later)
        events = await primed(events_of(asked.job, happenings))
        return ServerSentEvent(events, headers={"Location": location_of(asked.job.job_id), "X-Accel-Buffering": "no"})
    with services.replies.expect(asked.job) as reply:
        admitted = await services.admission.submit(asked)
        if admitted.stored_result or not preference.waits:
            return await _respond(services, asked, admitted, admitted.stored_result)
        return await _wait(request, services, reply, asked, preference, admitted)


async def understand(request: HttpRequest, services: Services, preference: Preference, trace: str) -> Asked:
    """Parse and sanitize the question; raises Problem or BadMessageError."""
    body = await request.body()
    record_of(request.scope).asked(len(body))
    return await prepared(request, services, decode_question(body), preference.key, trace)


async def prepared(request: HttpRequest, services: Services, question: Question, key: str | None, trace: str) -> Asked:
    """The sanitized question as a job to publish, for the request's client; raises Problem or BadMessageError."""
    record = record_of(request.scope)
    job = await services.admission.job_for(request.user.client, key)
    logs.about_job(job, trace)
    query = await services.admission.prepare(question, record)
    record.named(job.job_id)
    return Asked(job, query, request.user.share, key is not None, trace, record)


async def _wait(
    request: HttpRequest,
    services: Services,
    reply: Reply,
    asked: Asked,
    preference: Preference,
    admitted: Admitted,
) -> HttpResponse:
    wait_s = preference.longest_wait_s(services.settings.sync_wait_s)
    try:
        result = await waited_for(
            services, asked, admitted, reply, request.receive, wait_s, returns_later=preference.returns_later
        )
    except HungUpError:
        return Response(b"", status_code=CLIENT_CLOSED_REQUEST)
    return await _respond(services, asked, admitted, result)


def require_uncompressed(request: HttpRequest) -> None:
    """Refuse a request whose body is compressed, before the body is read."""
    coding = request.headers.get("content-encoding", "").strip()
    if coding and coding.lower() != "identity":
        raise Problem(
            415,
            "unsupported-media-type",
            "The body must not be compressed",
            f"Header `Content-Encoding`: {coding[:40]!r} is not supported: send the body uncompressed.",
            headers={"Accept-Encoding": "identity"},
        )


def require_json(request: HttpRequest) -> None:
    """Refuse a request whose body is not JSON as it is, before the body is read."""
    require_uncompressed(request)
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != JSON:
        raise Problem(
            415,
            "unsupported-media-type",
            "The body must be JSON",
            f"Send the header `Content-Type: {JSON}`.",
            headers={"Accept-Post": JSON},
        )


async def _respond(services: Services, asked: Asked, admitted: Admitted, result: Result | None) -> HttpResponse:
    """200 with an answer, a problem for a failure, 202 while there is no result."""
    asked.record.ended(ending_of(result))
    match result:
        case Answer():
            return Response(encode(jobs.public(result)), media_type=JSON)
        case Failure():
            return problems.failed(result).response()
        case None:
            return accepted(asked.job, await services.positions.of(admitted.seq))


def accepted(job: JobName, position: Position | None) -> HttpResponse:
    location = location_of(job.job_id)
    found = msgspec.to_builtins(position) if position else {}
    body = msgspec.json.encode({"id": job.job_id, "status": "queued", "location": location, **found})
    return Response(body, status_code=202, media_type=JSON, headers={"Location": location, "Retry-After": "1"})


@route("/jobs/{job_id:str}", http_method=["GET", "DELETE"], status_code=200)
async def one_job(request: HttpRequest, job_id: FromPath[str]) -> HttpResponse:
    """One handler for both methods: with two, Litestar's OPTIONS would list the first only."""
    return await (delete_job if request.method == "DELETE" else read_job)(request, job_id)


async def read_job(request: HttpRequest, job_id: str) -> HttpResponse:
    """Status and result of one of this client's jobs."""
    with _bus_answers():
        services = services_of(request)
        status = await jobs.status_of(services.bus, services.positions, own_job(request, job_id))
    if status is None:
        raise problems.no_such_job()
    return Response(encode(status if isinstance(status, Unfinished) else jobs.public(status)), media_type=JSON)


async def delete_job(request: HttpRequest, job_id: str) -> HttpResponse:
    """Cancel a job that has not ended (202), erase the result of one that has (200)."""
    with _bus_answers():
        failure = await jobs.cancel_or_erase(services_of(request).bus, own_job(request, job_id))
    if failure is None:
        raise problems.no_such_job()
    is_cancelled = isinstance(failure, Failure) and failure.code == "cancelled"
    return Response(encode(jobs.public(failure)), status_code=202 if is_cancelled else 200, media_type=JSON)


def own_job(request: HttpRequest, job_id: str) -> JobName:
    """This client's job with this id; raises Problem for an invalid id."""
    if not is_canonical_uuid(job_id):
        raise problems.no_such_job()
    record_of(request.scope).named(job_id)
    return JobName(topology.HTTP_PUBLISHER, request.user.client, job_id)


@contextlib.contextmanager
def _bus_answers() -> Iterator[None]:
    try:
        yield
    except OutcomeUnknownError:
        raise problems.bus_unavailable("The bus did not answer: ask again in a few seconds.") from None


def create_api(services: Services, limiter: Limiter) -> Router:
    """The routes that need the right `query`."""
    # Not a guard: Litestar copies the whole route handler for each call of a guard.
    may_ask = authenticator(services.keyring, "query", limiter)
    return Router("/api", route_handlers=[ask, one_job], before_request=may_ask)
