"""The HTTP routes. Each handler reads downward: understand, admit, wait, answer."""

import asyncio
import re
from typing import Any, Final

import msgspec
import structlog
from litestar import Request, Response, Router, get, post

from contract import topology
from contract.bus import Bus
from contract.errors import BusError, OutcomeUnknownError
from contract.messages import Answer, Failure, Query, Result, decode_question, decode_result, encode
from contract.topology import JobName, is_canonical_uuid
from ingress import metrics, problems
from ingress.admission import Admission, location_of
from ingress.auth import Authenticator
from ingress.fleet import Fleet
from ingress.problems import Problem
from ingress.replies import Replies, Reply
from ingress.settings import IngressSettings

JSON: Final = "application/json"
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_WAIT = re.compile(r"wait=([0-9]{1,9})")

log = structlog.get_logger(__name__)

HttpRequest = Request[Any, Any, Any]
HttpResponse = Response[bytes]


class Services(msgspec.Struct, frozen=True):
    """What the handlers work with."""

    settings: IngressSettings
    bus: Bus
    fleet: Fleet
    replies: Replies
    admission: Admission


class Preference(msgspec.Struct, frozen=True):
    """The client's `Prefer` header (RFC 7240): answer at once, and how long to wait."""

    respond_async: bool
    wait_s: float | None

    @classmethod
    def of(cls, request: HttpRequest) -> "Preference":
        wishes = [wish.strip().lower() for line in request.headers.getall("prefer", []) for wish in line.split(",")]
        waits = [int(wait[1]) for wish in wishes if (wait := _WAIT.fullmatch(wish))]
        return cls("respond-async" in wishes, waits[0] if waits else None)


def require_json(request: HttpRequest) -> None:
    """Refuse what does not say that it is JSON, before its body is read."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != JSON:
        raise Problem(
            415,
            "unsupported-media-type",
            "The body must be JSON",
            f"Send the header `Content-Type: {JSON}`.",
            headers={"Accept-Post": JSON},
        )


@post("/api/query", status_code=200)
async def ask(request: HttpRequest) -> HttpResponse:
    """Ask a question about a document; wait for the answer, or come back for it."""
    try:
        return await _ask(request, services_of(request))
    except Problem as problem:
        # Refusing must stay cheap when it happens most: Litestar's way from an exception to its handler is long.
        return problem.response()


async def _ask(request: HttpRequest, services: Services) -> HttpResponse:
    require_json(request)
    question = decode_question(await request.body())
    query = services.admission.prepare(question)
    job = services.admission.new_job(request.state.client)
    preference = Preference.of(request)
    with services.replies.expect(job) as reply:
        sha256 = await services.admission.submit(job, query, trace_of(request))
        if preference.respond_async and preference.wait_s is None:
            return accepted(job)
        result = await wait_for(services, reply, job, query, sha256, preference)
    return respond(job, result)


async def wait_for(
    services: Services, reply: Reply, job: JobName, query: Query, sha256: str, preference: Preference
) -> Result | None:
    """The job's result, or None when the wait ends before the job does. A passed deadline is a result."""
    settings = services.settings
    wait_s = settings.sync_wait_s if preference.wait_s is None else min(preference.wait_s, settings.sync_wait_s)
    deadline_s = min(query.deadline_s or settings.job_deadline_s, settings.job_deadline_s)
    result = await reply.within(min(wait_s, deadline_s))
    if result or deadline_s > wait_s or services.replies.is_released:
        return result
    detail = f"No answer was made within {deadline_s:g} s: ask again with a later `deadline_s`, or a shorter context."
    failure = Failure(id=job.job_id, code="deadline-exceeded", detail=detail, body_sha256=sha256)
    return await end(services.bus, job, failure)


async def end(bus: Bus, job: JobName, failure: Failure) -> Result | None:
    """End a job from here; returns what stands, which may be an answer that was faster. None: the bus is away."""
    try:
        stands = await bus.results.create(job.key, encode(failure))
        await bus.publish(job.cancel_subject, b"")
    except BusError:
        return None
    return decode_result(stands.value)


def respond(job: JobName, result: Result | None) -> HttpResponse:
    """200 with an answer, the problem that a failure is, 202 when there is nothing yet."""
    match result:
        case Answer():
            return Response(encode(public(result)), media_type=JSON)
        case Failure():
            raise problems.failed(result)
        case None:
            return accepted(job)


def accepted(job: JobName) -> HttpResponse:
    location = location_of(job.job_id)
    body = msgspec.json.encode({"id": job.job_id, "status": "queued", "location": location})
    return Response(body, status_code=202, media_type=JSON, headers={"Location": location, "Retry-After": "1"})


def public(result: Result) -> Result:
    """A result as clients see it."""
    return msgspec.structs.replace(result, body_sha256=msgspec.UNSET)


def trace_of(request: HttpRequest) -> str | None:
    """The W3C trace context that the request came with, if it has one."""
    trace = request.headers.get(topology.TRACE_HEADER, "")
    return trace if _TRACEPARENT.fullmatch(trace) else None


@get("/api/jobs/{job_id:str}")
async def read_job(request: HttpRequest, job_id: str) -> HttpResponse:
    """Where a job of this client's own stands, and its result."""
    if not is_canonical_uuid(job_id):
        raise no_such_job(job_id)
    job = JobName(topology.HTTP_PUBLISHER, request.state.client, job_id)
    bus = services_of(request).bus
    try:
        body = await _stored(bus, job) or await _unfinished(bus, job)
        # The job may have ended between the two looks.
        body = body or await _stored(bus, job)
    except OutcomeUnknownError:
        raise problems.bus_unavailable("The bus did not answer: ask again in a few seconds.") from None
    if not body:
        raise no_such_job(job_id)
    return Response(body, media_type=JSON)


async def _stored(bus: Bus, job: JobName) -> bytes | None:
    entry = await bus.results.get(job.key)
    return encode(public(decode_result(entry.value))) if entry else None


async def _unfinished(bus: Bus, job: JobName) -> bytes | None:
    seq = await bus.find_job(job)
    if seq is None:
        return None
    state = await bus.queue_state()
    status = "running" if seq <= state.delivered_seq else "queued"
    return msgspec.json.encode({"id": job.job_id, "status": status})


def no_such_job(job_id: str) -> Problem:
    return Problem(
        404,
        "no-such-job",
        "There is no such job",
        "No job of yours has this id: it was never accepted, or its result has expired.",
    )


@get("/health")
async def health(request: HttpRequest) -> HttpResponse:
    """How the whole stands: the queue, the model, the workers."""
    services = services_of(request)
    workers = services.fleet.live()
    try:
        queue = await asyncio.wait_for(services.admission.queue_state(), 2)
    except (BusError, TimeoutError):
        unhealthy = {"status": "unhealthy", "detail": "The bus is away.", "workers": workers}
        return Response(msgspec.json.encode(unhealthy), status_code=503, media_type=JSON)
    body = {
        "status": "healthy" if workers else "degraded",
        "queue_depth": queue.depth,
        "running": queue.running,
        "queue_capacity": queue.capacity,
        "model": _model_of(services.fleet),
        "rate_limit": {"enabled": False},
        "workers": workers,
    }
    return Response(msgspec.json.encode(body), media_type=JSON)


def _model_of(fleet: Fleet) -> dict[str, Any] | None:
    for worker in fleet.live():
        return {"name": worker.model, "context_tokens": worker.context_tokens}
    return None


@get("/health/live")
async def live() -> HttpResponse:
    """The process serves requests."""
    return Response(b'{"status":"live"}', media_type=JSON)


@get("/health/ready")
async def ready(request: HttpRequest) -> HttpResponse:
    """The process can take questions: the bus is there and has its stream."""
    try:
        await asyncio.wait_for(services_of(request).admission.queue_state(), 2)
    except (BusError, TimeoutError):
        raise problems.bus_unavailable("The bus is away: no question can be taken.") from None
    return Response(b'{"status":"ready"}', media_type=JSON)


@get("/metrics")
async def show_metrics(request: HttpRequest) -> HttpResponse:
    """Metrics in Prometheus' text format."""
    services = services_of(request)
    metrics.BUS_CONNECTED.set(services.bus.is_connected)
    try:
        await asyncio.wait_for(services.admission.queue_state(), 2)
    except (BusError, TimeoutError):
        log.warning("queue's state is not known, its metrics are the last ones")
    # Set by hand: as a media type the charset would be there twice.
    return Response(metrics.exposition(), headers={"Content-Type": metrics.CONTENT_TYPE})


def services_of(request: HttpRequest) -> Services:
    """What the application was made with. Not injected: an injected argument costs as much as publishing a job."""
    services: Services = request.app.state.services
    return services


def create_router(services: Services) -> Router:
    """All routes; those of the API ask who is there."""
    # Not a guard: Litestar copies the whole route handler for each call of one.
    api = Router("/", route_handlers=[ask, read_job], before_request=Authenticator(services.settings.token))
    return Router("/", route_handlers=[api, health, live, ready, show_metrics])
