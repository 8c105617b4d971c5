"""Decides whether a request may be handled: by its caller, the caller's rights and rate."""

from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Request, Response

from contract.token_file import Right
from ingress import problems
from ingress.asgi import add_headers
from ingress.auth.caller import Caller
from ingress.auth.keyring import Keyring
from ingress.auth.on_behalf import acting_for
from ingress.auth.rate_limiter import Limiter
from ingress.problems import Problem

Before = Callable[[Request[Any, Any, Any]], Awaitable[Response[bytes] | None]]
Written = Callable[[Problem], Response[bytes]]
"""Makes the response of a refusal."""


def authenticator(
    keyring: Keyring, right: Right, limiter: Limiter | None = None, written: Written = Problem.response
) -> Before:
    """A hook that runs before a handler: it sets the caller as the request's user, or returns a refusal."""

    # A function, since Litestar deep-copies objects: a copied keyring would never see a change.
    # Async although it awaits nothing: Litestar would run it on a thread.
    async def authenticate(request: Request[Any, Any, Any]) -> Response[bytes] | None:
        caller = keyring.anybody or caller_of(request, keyring)
        if caller is None:
            return written(problems.unauthorized(has_token="authorization" in request.headers))
        try:
            caller = acting_for(request, caller, keyring.user_header, has_token=keyring.anybody is None)
        except Problem as problem:
            return written(problem)
        request.scope["user"] = caller
        # Returned, not raised: Litestar's exception handling is slow.
        refusal = problems.forbidden(caller.client, right) if right not in caller.rights else None
        if limiter and not refusal:
            refusal = exceeded(request, caller, limiter)
        return written(refusal) if refusal else None

    return authenticate


def caller_of(request: Request[Any, Any, Any], keyring: Keyring) -> Caller | None:
    """The caller behind the request's token."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    # Latin-1 is how HTTP's headers were decoded.
    return keyring.find(token.strip().encode("latin-1", "replace")) if scheme.lower() == "bearer" else None


def exceeded(request: Request[Any, Any, Any], caller: Caller, limiter: Limiter) -> Problem | None:
    """Count the request against its caller's rate, and add the rate-limit headers to the response."""
    if caller.rate is None:
        return None
    quota = limiter.take(caller.client, caller.rate)
    add_headers(request.scope, quota.headers)
    return quota.refusal() if quota.is_exceeded else None
