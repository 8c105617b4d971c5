"""Answers clients that close their sending side after a request, and still notices those that have gone.

Both look the same at first: the connection's input ends. A write shows the difference: a closed connection refuses it.
So while such a request waits, something harmless is written now and then: an interim response before the response has
begun (RFC 9110, 15.2: clients parse and ignore it), a comment in an event stream.
"""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from ingress.asgi import is_event_stream

_FIRST_PROBE_AFTER_S: Final = 0.05
_PROBES_EVERY_S: Final = 1.0
_INTERIM_RESPONSE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_COMMENT: Final = b"3\r\n:\n\n\r\n"
"""An empty comment, as one chunk."""


class HalfClosedProtocol(HttpToolsProtocol):
    """Keeps a connection open after the end of its input until the complete requests on it are answered."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._is_receiving = False
        """True while a request has begun and is not complete."""
        self._probing: asyncio.TimerHandle | None = None

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_receiving = True

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._is_receiving = False

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn's never keeps the connection
        """The input has ended: keep the connection only if there is a complete request to answer."""
        cycle: RequestResponseCycle | None = self.cycle
        if self._is_receiving or cycle is None or cycle.response_complete:
            return False
        # `cycle` is the newest request: those before it are answered first, and keep the connection open for it.
        cycle.keep_alive = False
        self._probe(_FIRST_PROBE_AFTER_S)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        if self._probing:
            self._probing.cancel()
        super().connection_lost(exc)

    def _probe(self, next_after_s: float) -> None:
        """Write what the client ignores; where it has gone, one of the first two writes fails."""
        if self.transport.is_closing() or self.cycle.response_complete:
            return
        if probe := self._harmless():
            self.transport.write(probe)
        self._probing = self.loop.call_later(next_after_s, self._probe, _PROBES_EVERY_S)

    def _harmless(self) -> bytes:
        """What may be written now: nothing while earlier requests are answered, or inside of another response."""
        if self.pipeline:
            return b""
        if not self.cycle.response_started:
            return _INTERIM_RESPONSE if self.cycle.scope["http_version"] == "1.1" else b""
        return _COMMENT if is_event_stream(self.cycle.scope) else b""
