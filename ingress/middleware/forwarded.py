"""The client's address behind a proxy: `X-Forwarded-*`, trusted on the Unix socket only."""

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from ingress.asgi import App, Receive, Scope, Send, is_unix


class Forwarded:
    """On the Unix socket the leftmost address counts: the proxy in front must replace the header, not add to it."""

    def __init__(self, app: App) -> None:
        self._app = app
        # Without the check of the socket, "*" would trust every client on TCP too.
        self._believing = ProxyHeadersMiddleware(app, trusted_hosts="*")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and is_unix(scope):
            return await self._believing(scope, receive, send)
        await self._app(scope, receive, send)
