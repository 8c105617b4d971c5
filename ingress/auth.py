"""Who asks. One token from the settings, or none: then every caller is the client `local`."""

import hmac
from typing import Any

from litestar import Request

from contract.settings import Secret
from ingress.problems import Problem

ANONYMOUS = "local"
NAMED = "default"


class Authenticator:
    """Runs before a request is handled: names the client in its state, or refuses it.

    Async although it awaits nothing: Litestar would run it on a thread.
    """

    def __init__(self, token: Secret | None) -> None:
        self._token = token.reveal().encode() if token else None

    async def __call__(self, request: Request[Any, Any, Any]) -> None:
        if self._token is None:
            request.state.client = ANONYMOUS
            return
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        # Latin-1 is how HTTP's headers were decoded; compare_digest takes ASCII or bytes only.
        given = token.strip().encode("latin-1", "replace")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given, self._token):
            raise unauthorized(has_token=bool(scheme))
        request.state.client = NAMED


def unauthorized(*, has_token: bool) -> Problem:
    detail = "This token is not known." if has_token else "Send the header `Authorization: Bearer <token>`."
    challenge = 'Bearer realm="docqa"' + (', error="invalid_token"' if has_token else "")
    return Problem(401, "unauthorized", "A token is needed", detail, headers={"WWW-Authenticate": challenge})
