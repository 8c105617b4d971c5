"""uvicorn's HTTP protocol with limits: time for a head, a body and a write, and a head's size.

nginx in front has limits of its own; a client that connects to the socket directly meets these.
"""

import asyncio
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from ingress.problems import MEDIA_TYPE, Problem
from ingress.server.half_closed import HalfClosedProtocol
from ingress.server.request_parser import RequestParser

HEAD_WITHIN_S: Final = 10.0
REQUEST_WITHIN_S: Final = 30.0
FIRST_BYTE_WITHIN_S: Final = 1.0
"""While the server stops: a client that has just connected has this long to send its first byte."""
WRITE_WITHIN_S: Final = 30.0
"""A client that reads nothing from a full buffer for this long counts as gone, even if its connection is open."""
UPLOADS: Final = b"/api/documents"
MAX_HEAD_BYTES: Final = 32_768
MAX_HEADERS: Final = 100

HEAD_TOO_LARGE = Problem(
    431,
    "head-too-large",
    "The request's head is too large",
    f"A head may have {MAX_HEADERS} headers and {MAX_HEAD_BYTES} bytes.",
)
NOT_HTTP = Problem(400, "bad-request", "The request can't be understood", "This is not HTTP/1.1.")


class BoundedProtocol(HalfClosedProtocol):
    """Closes connections that are too slow and refuses heads that are too large, before the application sees them."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.parser = RequestParser(self)  # type: ignore[assignment]  # the same methods, and no base class to share
        self._reading: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._is_in_head = True
        self._is_head_too_large = False
        self._is_last = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_within(HEAD_WITHIN_S)

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._reading, self._writing):
            if timer:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # The parser reports a header once it is complete: one that never ends is counted here.
        if self._is_in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(HEAD_TOO_LARGE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        self._is_in_head = True
        self._expect_within(HEAD_WITHIN_S)

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        if self._is_last:
            self.cycle.keep_alive = False
        self._is_in_head = False
        self._expect_within(REQUEST_WITHIN_S)

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        # A large file may take its time, as long as it comes at all; its size has a bound of its own.
        if self.url.startswith(UPLOADS):
            self._expect_within(REQUEST_WITHIN_S)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self._reading:
            self._reading.cancel()

    def shutdown(self) -> None:
        """The server stops. A client that has just connected may be sending a request: it still gets its answer."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None and not self.transport.is_closing():
            self._is_last = True
            self._expect_within(FIRST_BYTE_WITHIN_S)
        else:
            super().shutdown()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._writing = self.loop.call_later(WRITE_WITHIN_S, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._writing:
            self._writing.cancel()

    def send_400_response(self, msg: str) -> None:
        self._refuse(HEAD_TOO_LARGE if self._is_head_too_large else NOT_HTTP)

    def _refuse(self, problem: Problem) -> None:
        body = bytes(problem.response().content)
        head = f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self.transport.write(STATUS_LINE[problem.status] + head.encode() + body)
        self.transport.close()

    def _expect_within(self, seconds: float) -> None:
        if self._reading:
            self._reading.cancel()
        self._reading = self.loop.call_later(seconds, self.transport.close)

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES or len(self.headers) >= MAX_HEADERS:
            self._is_head_too_large = True
            raise httptools.HttpParserError("head too large")
