"""Errors as RFC 9457 problem details: a stable `type`, and a sentence that says what to do."""

import math
from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from msgspec import UNSET

from contract.errors import BadMessageError, BusUnavailableError, NotProvisionedError, StoreFullError
from contract.messages import Failure
from ingress.asgi import Send

MEDIA_TYPE = "application/problem+json"

_FAILURES = {
    "attempts-exhausted": (500, "The job died after all its attempts"),
    "bad-message": (500, "The job could not be read"),
    "bad-name": (500, "The job could not be read"),
    "bad-request": (400, "The request can't be understood"),
    "budget-exhausted": (503, "The proxy's tokens for today are used up"),
    "cancelled": (409, "The job was cancelled"),
    "deadline-exceeded": (504, "The job passed its deadline"),
    "document-gone": (404, "There is no such document"),
    "document-not-ready": (409, "The document is still being read"),
    "engine-error": (500, "The engine failed"),
    "erased": (410, "The result was erased"),
    "library-unavailable": (503, "The library does not answer"),
    "prompt-too-long": (413, "The prompt does not fit the model"),
    "space-gone": (404, "There is no such space"),
    "too-many-secrets": (400, "There are too many secrets in the text"),
    "proxy-error": (502, "The proxy could not answer"),
}


class Problem(Exception):  # noqa: N818  # RFC 9457 calls it a problem
    """A request that can't be fulfilled, and why; becomes the response."""

    def __init__(
        self,
        status: int,
        kind: str,
        title: str,
        detail: str,
        *,
        headers: dict[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.headers = headers or {}
        self.body = {"type": kind, "title": title, "status": status, "detail": detail, **members}

    def response(self) -> Response[bytes]:
        return Response(
            msgspec.json.encode(self.body), status_code=self.status, media_type=MEDIA_TYPE, headers=self.headers
        )

    async def send(self, send: Send) -> None:
        """Send it without Litestar, for requests that are refused before it."""
        body = msgspec.json.encode(self.body)
        headers = {"content-type": MEDIA_TYPE, "content-length": str(len(body)), **self.headers}
        encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": encoded})
        await send({"type": "http.response.body", "body": body})


def queue_full(capacity: int, retry_after_s: int, has_worker: bool) -> Problem:
    detail = f"All {capacity} places in the queue are taken: try again in {retry_after_s} s."
    if not has_worker:
        detail += " No worker is running at the moment."
    return Problem(
        429, "queue-full", "The queue is full", detail, headers={"Retry-After": str(retry_after_s)}, capacity=capacity
    )


def unauthorized(*, has_token: bool) -> Problem:
    detail = "Send the header `Authorization: Bearer <token>`."
    if has_token:
        detail = "This token is not known, or it has expired."
    challenge = 'Bearer realm="docqa"' + (', error="invalid_token"' if has_token else "")
    return Problem(401, "unauthorized", "A token is needed", detail, headers={"WWW-Authenticate": challenge})


def forbidden(client: str, right: str) -> Problem:
    return Problem(
        403,
        "forbidden",
        "This token lacks a right",
        f"The token of {client} does not have the right `{right}`: use one that has it.",
        headers={"WWW-Authenticate": 'Bearer realm="docqa", error="insufficient_scope"'},
    )


def rate_limited(count: int, window_s: int, retry_after_s: int) -> Problem:
    return Problem(
        429,
        "rate-limited",
        "Too many requests",
        f"The limit is {count} requests in {window_s} s: try again in {retry_after_s} s.",
        headers={"Retry-After": str(retry_after_s)},
        limit=count,
        window_s=window_s,
    )


def share_used_up(places: int, capacity: int, retry_after_s: int) -> Problem:
    return Problem(
        429,
        "client-quota",
        "Your share of the queue is used up",
        f"All {places} places that you may take of the queue's {capacity} are taken by jobs of yours: "
        f"try again in {retry_after_s} s.",
        headers={"Retry-After": str(retry_after_s)},
        places=places,
        capacity=capacity,
    )


def bus_unavailable(detail: str | None = None) -> Problem:
    return Problem(
        503,
        "bus-unavailable",
        "The message bus is unavailable",
        detail or "The job was not accepted and will not be: send it again in a few seconds.",
        headers={"Retry-After": "5"},
    )


def store_full() -> Problem:
    return Problem(
        503,
        "store-full",
        "The store of results is full",
        "Nothing was changed: try again later, once results have expired or DOCQA_RESULTS_MAX_BYTES was raised.",
        headers={"Retry-After": "30"},
    )


def outcome_unknown(job_id: str, location: str) -> Problem:
    return Problem(
        503,
        "outcome-unknown",
        "The bus did not say whether it stored the job",
        f"Look at {location} in a few seconds: 404 there means that it was not stored, so send it again.",
        headers={"Retry-After": "5", "Location": location},
        id=job_id,
    )


def body_too_large(size: int | None, limit: int) -> Problem:
    if size is None:
        detail = f"The limit is {limit} bytes and this is more: cut the context."
        return Problem(413, "body-too-large", "The body is too large", detail, limit_bytes=limit)
    detail = f"The limit is {limit} bytes and this has {size}: cut the context by {size - limit} characters or more."
    sizes: dict[str, Any] = {"size_bytes": size, "limit_bytes": limit, "cut_chars": size - limit}
    return Problem(413, "body-too-large", "The body is too large", detail, **sizes)


def prompt_too_large(size: int, limit: int) -> Problem:
    return Problem(
        413,
        "prompt-too-long",
        "The prompt does not fit the model",
        f"The query and its context have {size} bytes and no prompt of more than {limit} bytes fits the model: "
        f"cut the context by {size - limit} characters or more.",
        size_bytes=size,
        limit_bytes=limit,
        cut_chars=size - limit,
    )


def too_many_secrets(detail: str) -> Problem:
    return Problem(400, "too-many-secrets", "There are too many secrets in the text", detail)


def key_reused() -> Problem:
    return Problem(
        422,
        "key-reused",
        "The Idempotency-Key was used before",
        "This key came with another body before: send the first body again, or take a new key.",
    )


def no_such_job() -> Problem:
    return Problem(
        404,
        "no-such-job",
        "There is no such job",
        "No job of yours has this id: it was never accepted, or its result has expired.",
    )


def failed(failure: Failure) -> Problem:
    """The problem for a client that waits for a job that ended in a failure."""
    # A newer worker may store codes that this version does not know.
    status, title = _FAILURES.get(failure.code, (500, "The job failed"))
    members = msgspec.to_builtins(failure)
    for name in ("status", "code", "detail", "body_sha256"):
        members.pop(name, None)
    return Problem(status, failure.code, title, failure.detail, headers=_when_to_return(failure), **members)


def _when_to_return(failure: Failure) -> dict[str, str] | None:
    if failure.resets_at is UNSET:
        return None
    return {"Retry-After": str(max(math.ceil((failure.resets_at - datetime.now(UTC)).total_seconds()), 1))}


def on_problem(_: Request[Any, Any, Any], problem: Problem) -> Response[bytes]:
    return problem.response()


def on_bad_message(_: Request[Any, Any, Any], error: BadMessageError) -> Response[bytes]:
    return Problem(400, "bad-request", "The request can't be understood", str(error)).response()


def on_bus_unavailable(_: Request[Any, Any, Any], error: BusUnavailableError | NotProvisionedError) -> Response[bytes]:
    return bus_unavailable().response()


def on_store_full(request: Request[Any, Any, Any], error: StoreFullError) -> Response[bytes]:
    request.app.state.services.results.on_full()
    return store_full().response()


def on_http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    return problem_for(request, error).response()


def problem_for(request: Request[Any, Any, Any], error: HTTPException) -> Problem:
    """Litestar's own refusals, as problem details."""
    match error:
        case NotFoundException():
            problem = Problem(404, "not-found", "Nothing is here", f"There is nothing at {request.url.path}.")
        case MethodNotAllowedException():
            problem = Problem(405, "method-not-allowed", "Method not allowed", "This path takes other methods.")
            problem.headers = dict(error.headers or {})
        case RequestEntityTooLarge():
            length = request.headers.get("content-length", "")
            limit = request.app.state.max_body_bytes
            problem = body_too_large(int(length) if length.isdecimal() else None, limit)
        case _:
            problem = Problem(error.status_code, "bad-request", "The request can't be understood", f"{error.detail}.")
    return problem


def on_unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    return defect(request, error).response()


def defect(request: Request[Any, Any, Any], error: Exception) -> Problem:
    """A defect in this service: logged with its traceback, reported without it."""
    request.app.state.log.error("unexpected error", path=request.url.path, exc_info=error)
    return Problem(500, "internal-error", "Internal error", "This is a defect of the service: its log has the details.")
