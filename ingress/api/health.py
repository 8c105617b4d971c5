"""Health of the ingress and of what it depends on: for people, orchestrators and Prometheus."""

import asyncio
import contextlib
from typing import Any

import msgspec
import structlog
from litestar import Response, Router, get

from contract import backup_status
from contract.bus import QueueState, restore_mark
from contract.bus.clock import TOO_FAR_S
from contract.errors import BusError, NotProvisionedError
from contract.runtime.metrics import BUS_CONNECTED
from ingress import problems
from ingress.auth.authenticate import authenticator
from ingress.middleware import metrics
from ingress.problems import Problem
from ingress.services import HttpRequest, HttpResponse, Services, services_of

log = structlog.get_logger(__name__)


JSON = "application/json"
BUS_ANSWERS_WITHIN_S = 2.0
LIBRARY_ANSWERS_WITHIN_S = 0.5
OVERDUE_S = 60.0
"""Beyond its deadline a job may wait this long for the worker that ends it, for example after a crash."""
NO_QUEUE = QueueState(depth=0, capacity=0, running=0, delivered_seq=0)


@get("/health")
async def health(request: HttpRequest) -> HttpResponse:
    """Status of the whole: queue, model, workers, access control."""
    services = services_of(request)
    workers = services.fleet.live()
    try:
        queue = await queue_state(services)
    except (BusError, TimeoutError) as error:
        is_bare = isinstance(error, NotProvisionedError)
        detail = str(error) if is_bare else "The message bus is unavailable."
        unhealthy = {"status": "unhealthy", "detail": detail, "workers": workers}
        return Response(msgspec.json.encode(unhealthy), status_code=503, media_type=JSON)
    broken = failing(services, queue)
    documents = await library(services)
    is_well = not any(broken.values()) and not misses_library(services, documents)
    body = {
        "status": "healthy" if workers and is_well else "degraded",
        "queue_depth": queue.depth,
        "running": queue.running if workers else 0,
        "queue_capacity": queue.capacity,
        "outside": outside(services.admission.outside_s()),
        "refused": metrics.refused_total(),
        "model": model_of(services, broken["model"]),
        "jobs": _status(broken["jobs"]),
        "clock": _status(broken["clock"]),
        "rate_limit": rate_limit(services),
        "tokens": tokens(services),
        "audit": audit(services),
        "results": results(services),
        "library": documents,
        "workers": workers,
    }
    return Response(msgspec.json.encode(body), media_type=JSON)


def outside(due_s: list[float]) -> dict[str, Any]:
    """The clients that were refused and told to come back: how many, and in how many seconds they are due."""
    if not due_s:
        return {"clients": 0}
    soonest_s, median_s, latest_s = due_s[0], due_s[len(due_s) // 2], due_s[-1]
    spread = {"soonest_s": soonest_s, "median_s": median_s, "latest_s": latest_s}
    return {"clients": len(due_s), **{name: round(value, 1) for name, value in spread.items()}}


async def queue_state(services: Services) -> QueueState:
    """Its oldest job waits since a restore at most, as its deadline counts. Raises BusError or TimeoutError."""
    queue = await asyncio.wait_for(services.admission.queue_state(), BUS_ANSWERS_WITHIN_S)
    if queue.oldest_s is None or not is_overdue(services, queue):
        return queue
    mark = None
    # A bus that was set up by an older version does not let the ingress read it.
    with contextlib.suppress(BusError, TimeoutError):
        mark = await asyncio.wait_for(restore_mark.read(services.bus), LIBRARY_ANSWERS_WITHIN_S)
    oldest_s = mark.counts_from_s(queue.oldest_s, queue.first_seq) if mark else queue.oldest_s
    return msgspec.structs.replace(queue, oldest_s=oldest_s)


def failing(services: Services, queue: QueueState) -> dict[str, str | None]:
    """The parts of the system that can fail while it accepts questions, with their errors."""
    return {
        "jobs": unended_jobs(services, queue),
        "model": next((worker.model_error for worker in services.fleet.live() if worker.model_error), None),
        "clock": wrong_clock(services),
        "results": services.results.error,
        "tokens": services.tokens.error if services.tokens else None,
        "audit": services.audit_log.error if services.audit_log else None,
    }


def unended_jobs(services: Services, queue: QueueState) -> str | None:
    """Whatever the services say of themselves: questions come in, and long after their deadline they have no end."""
    if not is_overdue(services, queue):
        return None
    age_s = oldest_age_s(services, queue)
    return f"The oldest job has waited for {age_s:.0f} s, longer than any deadline: no worker ends it."


def is_overdue(services: Services, queue: QueueState) -> bool:
    """True if a job is on the stream that should have ended long ago."""
    return oldest_age_s(services, queue) > services.settings.job_deadline_s + OVERDUE_S


def oldest_age_s(services: Services, queue: QueueState) -> float:
    """Seconds; 0 where no job waits."""
    return services.bus.clock.age_s(queue.oldest_s) if queue.oldest_s else 0.0


def wrong_clock(services: Services) -> str | None:
    """The clock that is furthest from the bus's, if too far."""
    skew_s = clock_skew_s(services)
    if abs(skew_s) <= TOO_FAR_S:
        return None
    side = "ahead of" if skew_s > 0 else "behind"
    return f"A clock is {abs(skew_s):.1f} s {side} the bus's: run NTP on that machine."


def clock_skew_s(services: Services) -> float:
    """Of the ingress or a live worker, whichever is further off; ahead is positive."""
    return max([services.bus.clock.skew_s, *(worker.clock_skew_s for worker in services.fleet.live())], key=abs)


def model_of(services: Services, error: str | None) -> dict[str, Any] | None:
    for worker in services.fleet.live():
        return {"name": worker.model, "context_tokens": worker.context_tokens, **_status(error)}
    return None


def rate_limit(services: Services) -> dict[str, Any]:
    """The default policy, for clients whose token sets no other."""
    rate = services.settings.rate_limit
    policy: dict[str, Any] = {"enabled": services.keyring.limits_rates, "client_share": services.settings.client_share}
    return policy | ({"limit": rate.count, "window_s": rate.window_s} if rate else {})


def tokens(services: Services) -> dict[str, Any]:
    if services.keyring.anybody:
        return {"status": "off"}
    return _status(services.tokens.error if services.tokens else None)


def results(services: Services) -> dict[str, Any]:
    return _status(services.results.error)


async def library(services: Services) -> dict[str, Any]:
    """Whether documents can be brought in and found. Questions that bring their own text need no library."""
    try:
        found = await asyncio.wait_for(services.library.probe(), LIBRARY_ANSWERS_WITHIN_S)
    except (Problem, TimeoutError):
        return {"status": "unavailable"}
    return _status(" ".join(found.problems)) | (msgspec.to_builtins(found.counts) if found.counts else {})


def misses_library(services: Services, documents: dict[str, Any]) -> bool:
    """True if it fails, or was there and is not any more."""
    return documents["status"] == "failing" or (documents["status"] == "unavailable" and services.library.was_seen)


def audit(services: Services) -> dict[str, Any]:
    if services.audit_log is None:
        return {"status": "off"}
    return _status(services.audit_log.error) | {"lost": services.audit_log.lost}


def _status(error: str | None) -> dict[str, Any]:
    return {"status": "failing", "detail": error} if error else {"status": "ok"}


@get("/health/live")
async def live() -> HttpResponse:
    """The process serves requests."""
    return Response(b'{"status":"live"}', media_type=JSON)


@get("/health/ready")
async def ready(request: HttpRequest) -> HttpResponse:
    """The process can accept questions: the bus is available and has its stream."""
    try:
        await queue_state(services_of(request))
    except (BusError, TimeoutError):
        raise problems.bus_unavailable("The message bus is unavailable: no question can be accepted.") from None
    return Response(b'{"status":"ready"}', media_type=JSON)


@get("/metrics")
async def show_metrics(request: HttpRequest) -> HttpResponse:
    """Metrics in Prometheus' text format."""
    services = services_of(request)
    BUS_CONNECTED.set(services.bus.is_connected)
    metrics.RESULTS_FULL.set(services.results.error is not None)
    metrics.CLOCK_SKEW.set(clock_skew_s(services))
    metrics.WORKERS.set(len(services.fleet.live()))
    metrics.BACKUP.set(backup_status.read(services.settings.data_dir).last_success_s)
    try:
        queue = await queue_state(services)
    except (BusError, TimeoutError):
        log.warning("queue state unknown: its metrics keep their last values")
        queue = NO_QUEUE
    for part, error in failing(services, queue).items():
        metrics.FAILING.labels(part).set(bool(error))
    metrics.FAILING.labels("library").set(misses_library(services, await library(services)))
    # Set as a header: as a media type, Litestar would repeat the charset.
    return Response(metrics.exposition(), headers={"Content-Type": metrics.CONTENT_TYPE})


def create_health(services: Services) -> Router:
    """The health and metrics routes; health needs no token."""
    authenticate = authenticator(services.keyring, "admin")

    async def may_read(request: HttpRequest) -> HttpResponse | None:
        return None if metrics.are_open(request.scope) else await authenticate(request)

    guarded = Router("/", route_handlers=[show_metrics], before_request=may_read)
    return Router("/", route_handlers=[health, live, ready, guarded])
