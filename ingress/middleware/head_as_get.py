"""Answers HEAD as GET without a body, on every path (RFC 9110, 9.3.2)."""

from ingress.asgi import App, Receive, Scope, Send


class HeadAsGet:
    """Wraps an ASGI app that knows GET only. The server leaves the body out, by the method in its own scope."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)
