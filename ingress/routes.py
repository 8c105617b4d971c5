"""The HTTP routes. Each handler reads downward: understand, admit, wait, answer."""

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, Iterator
from importlib import metadata
from typing import Any, Final

import msgspec
import structlog
from litestar import Request, Response, Router, get, post, route
from litestar.params import FromPath
from litestar.response import ServerSentEvent
from litestar.response.sse import ServerSentEventMessage

from contract import topology
from contract.bus import Bus
from contract.errors import BusError, OutcomeUnknownError
from contract.messages import Answer, Failure, Query, Result, decode_question, encode
from contract.topology import JobName, is_canonical_uuid
from ingress import jobs, metrics, openapi, problems
from ingress.admission import Admission, location_of
from ingress.auth import Authenticator
from ingress.events import Tokens, last_event, primed
from ingress.fleet import Fleet
from ingress.jobs import Unfinished
from ingress.preference import Preference
from ingress.problems import Problem
from ingress.replies import Replies, Reply
from ingress.settings import IngressSettings
from ingress.waiting import HungUpError, end, result_of, unless_hung_up

JSON: Final = "application/json"
CLIENT_CLOSED_REQUEST: Final = 499
"""nginx's number for a client that hung up: it shows in the metrics only."""

_SCHEMA: Final = msgspec.json.encode(openapi.document(metadata.version("goblin-docqa")))
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

log = structlog.get_logger(__name__)

HttpRequest = Request[Any, Any, Any]
HttpResponse = Response[Any]


class Services(msgspec.Struct, frozen=True):
    """What the handlers work with."""

    settings: IngressSettings
    bus: Bus
    fleet: Fleet
    replies: Replies
    admission: Admission

    def wait_s(self, preference: Preference) -> float:
        longest_s = self.settings.sync_wait_s
        return longest_s if preference.wait_s is None else min(preference.wait_s, longest_s)

    def deadline_s(self, query: Query) -> float:
        longest_s = self.settings.job_deadline_s
        return min(query.deadline_s or longest_s, longest_s)


def services_of(request: HttpRequest) -> Services:
    """What the application was made with. Not injected: an injected argument costs as much as publishing a job."""
    services: Services = request.app.state.services
    return services


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
    preference = Preference.of(request)
    query = services.admission.prepare(decode_question(await request.body()))
    job = services.admission.new_job(request.state.client, preference.key)
    if preference.events:
        events = await primed(_events(services, job, query, preference, trace_of(request)))
        return ServerSentEvent(events, headers={"Location": location_of(job.job_id), "X-Accel-Buffering": "no"})
    with services.replies.expect(job) as reply:
        admitted = await services.admission.submit(job, query, trace_of(request), is_keyed=preference.key is not None)
        if admitted.stands or not preference.waits:
            return respond(job, admitted.stands)
        return await _wait(request, services, reply, job, query, preference, admitted.sha256)


async def _wait(
    request: HttpRequest,
    services: Services,
    reply: Reply,
    job: JobName,
    query: Query,
    preference: Preference,
    sha256: str,
) -> HttpResponse:
    wait_s, deadline_s = services.wait_s(preference), services.deadline_s(query)
    waiting = result_of(services.bus, reply, job, wait_s=wait_s, deadline_s=deadline_s, sha256=sha256)
    try:
        return respond(job, await unless_hung_up(request.receive, waiting))
    except HungUpError:
        if not preference.comes_back:
            await end(services.bus, job, "cancelled", "The client hung up.", sha256)
        return Response(b"", status_code=CLIENT_CLOSED_REQUEST)


async def _events(
    services: Services, job: JobName, query: Query, preference: Preference, trace: str | None
) -> AsyncGenerator[ServerSentEventMessage, None]:
    """All events of one job; what goes wrong before the first one is raised as a Problem."""
    with services.replies.expect(job) as reply:
        async with Tokens(services.bus, job) as tokens:
            admitted = await services.admission.submit(job, query, trace, is_keyed=preference.key is not None)
            if admitted.stands:
                yield last_event(job, location_of(job.job_id), admitted.stands)
                return
            deadline_s = services.deadline_s(query)
            ending = asyncio.ensure_future(
                result_of(services.bus, reply, job, wait_s=deadline_s, deadline_s=deadline_s, sha256=admitted.sha256)
            )
            try:
                yield ServerSentEventMessage(comment=f"accepted {job.job_id}", data=None)
                async for event in tokens.until(ending):
                    yield event
                yield last_event(job, location_of(job.job_id), ending.result())
            finally:
                if not ending.done():
                    ending.cancel()
                    if not preference.comes_back:
                        # Shielded: the hang-up that ends this stream must not end its consequence.
                        cancelling = end(services.bus, job, "cancelled", "The client hung up.", admitted.sha256)
                        await asyncio.shield(asyncio.ensure_future(cancelling))


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


def respond(job: JobName, result: Result | None) -> HttpResponse:
    """200 with an answer, the problem that a failure is, 202 when there is nothing yet."""
    match result:
        case Answer():
            return Response(encode(public(result)), media_type=JSON)
        case Failure():
            return problems.failed(result).response()
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


@route("/api/jobs/{job_id:str}", http_method=["GET", "DELETE"], status_code=200)
async def one_job(request: HttpRequest, job_id: FromPath[str]) -> HttpResponse:
    """One handler for both methods: Litestar's OPTIONS would know the first of two only."""
    return await (delete_job if request.method == "DELETE" else read_job)(request, job_id)


async def read_job(request: HttpRequest, job_id: str) -> HttpResponse:
    """Where a job of this client's own stands, and its result."""
    with _bus_answers():
        status = await jobs.status_of(services_of(request).bus, own_job(request, job_id))
    if status is None:
        raise problems.no_such_job()
    return Response(encode(status if isinstance(status, Unfinished) else public(status)), media_type=JSON)


async def delete_job(request: HttpRequest, job_id: str) -> HttpResponse:
    """Cancel a job that has not ended (202), erase the result of one that has (200)."""
    with _bus_answers():
        failure = await jobs.cancel_or_erase(services_of(request).bus, own_job(request, job_id))
    if failure is None:
        raise problems.no_such_job()
    is_cancelled = isinstance(failure, Failure) and failure.code == "cancelled"
    return Response(encode(public(failure)), status_code=202 if is_cancelled else 200, media_type=JSON)


def own_job(request: HttpRequest, job_id: str) -> JobName:
    """The job of this client's own with this id; raises Problem for what is no id."""
    if not is_canonical_uuid(job_id):
        raise problems.no_such_job()
    return JobName(topology.HTTP_PUBLISHER, request.state.client, job_id)


@contextlib.contextmanager
def _bus_answers() -> Iterator[None]:
    try:
        yield
    except OutcomeUnknownError:
        raise problems.bus_unavailable("The bus did not answer: ask again in a few seconds.") from None


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
        "running": queue.running if workers else 0,
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


@get("/schema")
async def show_schema() -> HttpResponse:
    """The API's description, as OpenAPI in JSON."""
    return Response(_SCHEMA, media_type=JSON)


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


def create_router(services: Services) -> Router:
    """All routes; those of the API ask who is there."""
    # Not a guard: Litestar copies the whole route handler for each call of one.
    api = Router(
        "/",
        route_handlers=[ask, one_job],
        before_request=Authenticator(services.settings.token),
    )
    return Router("/", route_handlers=[api, health, live, ready, show_metrics, show_schema])
