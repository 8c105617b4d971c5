"""ASGI's types, as far as they are used here, and what its scope says about a connection."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

Scope = Any
Message = Any
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def is_unix(scope: Scope) -> bool:
    """True for a request over the Unix socket.

    Read from the server's address: uvicorn leaves out the client's for a broken TCP connection too.
    """
    server = scope.get("server")
    return server is None or server[1] is None


def is_at(scope: Scope, address: tuple[str, int]) -> bool:
    """True for a request over the listener with this TCP address."""
    return tuple(scope.get("server") or ()) == address


_HEADERS: Final = "docqa.headers"
_IS_EVENT_STREAM: Final = "docqa.is_event_stream"


def add_headers(scope: Scope, headers: Mapping[str, str]) -> None:
    """Add headers to whatever response this request gets."""
    scope[_HEADERS] = [(name.lower().encode(), value.encode()) for name, value in headers.items()]


def note_response(scope: Scope, message: Message) -> None:
    """Remember of the message that starts the response whether it is an event stream."""
    scope[_IS_EVENT_STREAM] = any(
        name == b"content-type" and value.startswith(b"text/event-stream") for name, value in message.get("headers", ())
    )


def is_event_stream(scope: Scope) -> bool:
    """True for a request whose response has started as an event stream."""
    return bool(scope.get(_IS_EVENT_STREAM))


def carry_headers(scope: Scope, message: Message) -> None:
    """Put the collected headers into the message that starts the response."""
    if added := scope.get(_HEADERS):
        message["headers"] = [*message["headers"], *added]
