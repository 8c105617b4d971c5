"""Users behind one key: the client that a named user is, and whose word for the name is believed.

Where tokens are in use the header counts from one with the right `on-behalf`. Where none is, it counts on the Unix
socket, whose proxy must set it and take it out of what its own clients send. From anybody else it is passed over.
"""

import hashlib
import re
from typing import Any, Final

import msgspec
from litestar import Request

from ingress.asgi import is_unix
from ingress.auth.caller import Caller
from ingress.problems import Problem

PREFIX: Final = "user-"
"""Of every user's client: no user is a token's client, unless that was named so on purpose."""
MAX_NAME_CHARS: Final = 256
_PLAIN: Final = re.compile(r"[a-z0-9-]{1,40}")
_OTHERS: Final = re.compile(r"[^a-z0-9]+")
_SLUG_CHARS: Final = 30
_DIGEST_CHARS: Final = 20


def acting_for(
    request: Request[Any, Any, Any], caller: Caller, header: str | None, *, has_token: bool = True
) -> Caller:
    """The caller, or the user for whom it asks: with turns, share and space of their own, and the right to ask only.

    `has_token`: the caller is a token's. Raises Problem for a name that can't be one.
    """
    # A token without the right says who asks: on the socket too, where its holder could write the header itself.
    if header is None or not ("on-behalf" in caller.rights or (is_unix(request.scope) and not has_token)):
        return caller
    named = request.headers.getall(header, [])
    if not named:
        return caller
    if len(named) > 1:
        raise _refused(header, "it was sent more than once")
    user = _decoded(header, named[0])
    return msgspec.structs.replace(caller, client=client_of(user), user=user, rights=("query",))


def client_of(user: str) -> str:
    """The client of a user: `user-<name>`, and for a name that a client's can't hold a readable part and a hash.

    The two kinds differ by the underscore, so no user can choose another one's client.
    """
    if _PLAIN.fullmatch(user):
        return f"{PREFIX}{user}"
    slug = _OTHERS.sub("-", user.lower()).strip("-")[:_SLUG_CHARS]
    return f"{PREFIX}{slug}_{hashlib.sha256(user.encode()).hexdigest()[:_DIGEST_CHARS]}"


def _decoded(header: str, value: str) -> str:
    """The name as it was written: HTTP hands headers on as Latin-1, and most proxies send UTF-8."""
    try:
        user = value.encode("latin-1").decode().strip()
    except UnicodeError:
        raise _refused(header, "it is not UTF-8") from None
    if not user or len(user) > MAX_NAME_CHARS or not user.isprintable():
        raise _refused(header, f"expected a user's name of 1 to {MAX_NAME_CHARS} printable characters")
    return user


def _refused(header: str, why: str) -> Problem:
    return Problem(400, "bad-request", "The request can't be understood", f"Header `{header}`: {why}.")
