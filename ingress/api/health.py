"""Health of the ingress and of what it depends on: for people, orchestrators and Prometheus."""

import asyncio
from typing import Any

import msgspec
import structlog
from litestar import Response, Router, get

from contract import backup_status
from contract.bus import QueueState
from contract.errors import BusError
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


@get("/health")
async def health(request: HttpRequest) -> HttpResponse:
    """Status of the whole: queue, model, workers, access control."""
    services = services_of(request)
    workers = services.fleet.live()
    try:
        queue = await queue_state(services)
    except (BusError, TimeoutError):
        unhealthy = {"status": "unhealthy", "detail": "The message bus is unavailable.", "workers": workers}
        return Response(msgspec.json.encode(unhealthy), status_code=503, media_type=JSON)
    body = {
        "status": "healthy" if workers and not errors(services) else "degraded",
        "queue_depth": queue.depth,
        "running": queue.running if workers else 0,
        "queue_capacity": queue.capacity,
        "refused": metrics.refused_total(),
        "model": model_of(services),
        "rate_limit": rate_limit(services),
        "tokens": tokens(services),
        "audit": audit(services),
        "results": results(services),
        "library": await library(services),
        "workers": workers,
    }
    return Response(msgspec.json.encode(body), media_type=JSON)


async def queue_state(services: Services) -> QueueState:
    """Raises BusError or TimeoutError."""
    return await asyncio.wait_for(services.admission.queue_state(), BUS_ANSWERS_WITHIN_S)


def errors(services: Services) -> list[str]:
    """What is wrong apart from the bus and the workers."""
    return [error for error in failing(services).values() if error]


def failing(services: Services) -> dict[str, str | None]:
    """The parts of the system that can fail while it accepts questions, with their errors."""
    return {
        "results": services.results.error,
        "tokens": services.tokens.error if services.tokens else None,
        "audit": services.audit_log.error if services.audit_log else None,
    }


def model_of(services: Services) -> dict[str, Any] | None:
    for worker in services.fleet.live():
        return {"name": worker.model, "context_tokens": worker.context_tokens}
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
        await asyncio.wait_for(services.library.probe(), LIBRARY_ANSWERS_WITHIN_S)
    except (Problem, TimeoutError):
        return {"status": "unavailable"}
    return {"status": "ok"}


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
    skews = [services.bus.clock.skew_s, *(worker.clock_skew_s for worker in services.fleet.live())]
    metrics.CLOCK_SKEW.set(max(skews, key=abs))
    metrics.WORKERS.set(len(services.fleet.live()))
    for part, error in failing(services).items():
        metrics.FAILING.labels(part).set(bool(error))
    metrics.BACKUP.set(backup_status.read(services.settings.data_dir).last_success_s)
    try:
        await queue_state(services)
    except (BusError, TimeoutError):
        log.warning("queue state unknown: its metrics keep their last values")
    # Set as a header: as a media type, Litestar would repeat the charset.
    return Response(metrics.exposition(), headers={"Content-Type": metrics.CONTENT_TYPE})


def create_health(services: Services) -> Router:
    """The health and metrics routes; health needs no token."""
    authenticate = authenticator(services.keyring, "admin")

    async def may_read(request: HttpRequest) -> HttpResponse | None:
        return None if metrics.are_open(request.scope) else await authenticate(request)

    guarded = Router("/", route_handlers=[show_metrics], before_request=may_read)
    return Router("/", route_handlers=[health, live, ready, guarded])
