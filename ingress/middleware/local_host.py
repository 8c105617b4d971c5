"""Who may be meant by a request over TCP where no token is needed: this machine, by one of its own names.

A page on another site can make a browser here send requests to us by letting its own name point to 127.0.0.1
(DNS rebinding). Then the `Host` is that name.
"""

import re
from typing import Final

from ingress.asgi import App, Receive, Scope, Send, is_at, is_unix
from ingress.problems import Problem

_LOCAL: Final = re.compile(rb"(?i:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?")


class LocalHostOnly:
    """Refuses what comes over TCP under another name; the metrics have a listener of their own and are let be."""

    def __init__(self, app: App, metrics_address: tuple[str, int]) -> None:
        self._app = app
        self._metrics_address = metrics_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_unix(scope) or is_at(scope, self._metrics_address) or is_local(scope):
            return await self._app(scope, receive, send)
        await misdirected().send(send)


def is_local(scope: Scope) -> bool:
    """True when each `Host` that the request names, and there is one, is this machine's own."""
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    return bool(hosts) and all(_LOCAL.fullmatch(host) for host in hosts)


def misdirected() -> Problem:
    return Problem(
        421,
        "misdirected",
        "This is not the host that was meant",
        "Without a token only `localhost`, `127.0.0.1` and `[::1]` are answered over TCP: "
        "ask by one of these names, or set DOCQA_TOKEN.",
    )
