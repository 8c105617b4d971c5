"""Refuses what pages of other sites make a browser send: by where it comes from. Knows no route's meaning.

A browser on this machine, or one that a proxy knows, would lend such a page its access. Browsers say where a request
comes from: `Sec-Fetch-Site`, and `Origin` where that is missing (an old browser, or plain HTTP to another machine).
Pages can write neither. Clients other than browsers send neither, and pass.
"""

from typing import Final
from urllib.parse import SplitResult, urlsplit

from ingress.asgi import App, Receive, Scope, Send
from ingress.problems import Problem

_READ: Final = (b"host", b"origin", b"authorization", b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest")
_OWN: Final = (b"same-origin", b"none")
"""`none`: the user typed the address, or opened a bookmark."""
_PORTS: Final = {"http": 80, "https": 443}
_API: Final = ("/api/", "/v1/")


class SameSiteOnly:
    """Lets in what does not come from a browser, comes from this system's own page, or carries a bearer token.

    A page of another site can't attach a token: the browser would have to ask first, and is never allowed to.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or may_pass(scope):
            return await self._app(scope, receive, send)
        await cross_site().send(send)


def may_pass(scope: Scope) -> bool:
    """False for what a page of another site may have sent without its user's knowledge."""
    headers = {name: value for name, value in scope["headers"] if name in _READ}
    if headers.get(b"authorization", b"").lower().startswith(b"bearer "):
        return True
    if site := headers.get(b"sec-fetch-site"):
        return site in _OWN or _follows_a_link(scope, headers)
    origin = headers.get(b"origin")
    return origin is None or _is_own(origin.decode("latin-1"), headers.get(b"host", b"").decode("latin-1"))


def _follows_a_link(scope: Scope, headers: dict[bytes, bytes]) -> bool:
    """A link to the page itself may stand anywhere; a link to the API has no business elsewhere."""
    opens = headers.get(b"sec-fetch-mode") == b"navigate" and headers.get(b"sec-fetch-dest") == b"document"
    return opens and scope["method"] in ("GET", "HEAD") and not scope["path"].startswith(_API)


def _is_own(origin: str, host: str) -> bool:
    """True for the host that was asked. Some proxies pass the host on without its port: then the name decides."""
    try:
        here, there = urlsplit(origin), urlsplit(f"{urlsplit(origin).scheme}://{host}")
        same_port = there.port is None or _port(here) == there.port
    except ValueError:
        return False
    return bool(here.hostname) and here.hostname == there.hostname and same_port


def _port(address: SplitResult) -> int | None:
    return address.port or _PORTS.get(address.scheme)


def cross_site() -> Problem:
    return Problem(
        403,
        "cross-site",
        "This comes from another site",
        "A page of another site may not use this system through your browser: "
        "use its own page, send a token, or ask without a browser.",
    )
