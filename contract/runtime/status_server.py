"""Serves /metrics and /health over HTTP, on a thread with a loop of its own: it answers while the service's does not.

A request is one line of which the method and the path count. Every connection gets one answer and an end within
seconds, and their number is bounded: that is all that a client of this port can take from the service.
"""

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from types import TracebackType
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from contract.address import address_of
from contract.errors import SettingsError

MAX_CONNECTIONS: Final = 16
"""Prometheus and an orchestrator's probes need two; one more ends the oldest, so that newcomers always get in."""
REQUEST_S: Final = 5.0
"""From the connection to the last byte of the answer, however slowly either side goes."""
_MAX_HEAD_BYTES: Final = 8192
_JSON: Final = "application/json"

NotReadyReason = Callable[[], str | None]
Page = tuple[HTTPStatus, str, bytes]
"""The status, the content type and the content."""


class StatusServer:
    """Listens from its making on, serves for the time of a `with` block."""

    def __init__(self, address: str, not_ready_reason: NotReadyReason) -> None:
        """`not_ready_reason` says why the service is not ready. Raises SettingsError when `address` can't be had."""
        self._listener = _listen(address)
        self.address = address_of(self._listener)
        self._not_ready_reason = not_ready_reason
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        self._connections: dict[asyncio.Task[None], None] = {}
        """The connections, oldest first."""
        self._thread = threading.Thread(target=self._run, name="status", daemon=True)

    def __enter__(self) -> "StatusServer":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._welcome, sock=self._listener, limit=_MAX_HEAD_BYTES)
        await self._stopped.wait()
        server.close()
        connections = list(self._connections)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) == MAX_CONNECTIONS:
            oldest = next(iter(self._connections))
            del self._connections[oldest]
            oldest.cancel()
        connection = self._loop.create_task(self._attend(reader, writer))
        self._connections[connection] = None
        # Here, since a task that is cancelled before its first step runs nothing of its own. And not close(): it would
        # wait for ever for a client that does not read.
        connection.add_done_callback(lambda _: writer.transport.abort())
        connection.add_done_callback(lambda _: self._connections.pop(connection, None))

    async def _attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError, TimeoutError):
            async with asyncio.timeout(REQUEST_S):
                await self._answer(reader, writer)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # So that `drain` returns only when the system has all of the answer.
        writer.transport.set_write_buffer_limits(0)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            writer.write(_response(_problem(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)))
        else:
            writer.write(self._respond(head))
        await writer.drain()

    def _respond(self, head: bytes) -> bytes:
        words = head.partition(b"\r\n")[0].split(b" ")
        if len(words) != 3:
            return _response(_problem(HTTPStatus.BAD_REQUEST))
        method, target, _ = words
        if method not in (b"GET", b"HEAD"):
            return _response(_problem(HTTPStatus.METHOD_NOT_ALLOWED), "Allow: GET, HEAD\r\n")
        return _response(self._page(target.partition(b"?")[0]), has_content=method == b"GET")

    def _page(self, path: bytes) -> Page:
        match path:
            case b"/metrics":
                return HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest()
            case b"/health/live":
                return HTTPStatus.OK, _JSON, b'{"status":"live"}'
            case b"/health/ready":
                return _readiness(self._not_ready_reason())
            case _:
                return _problem(HTTPStatus.NOT_FOUND)


def _readiness(not_ready_reason: str | None) -> Page:
    if not_ready_reason is None:
        return HTTPStatus.OK, _JSON, b'{"status":"ready"}'
    return HTTPStatus.SERVICE_UNAVAILABLE, _JSON, json.dumps({"status": "unready", "reason": not_ready_reason}).encode()


def _problem(status: HTTPStatus) -> Page:
    return status, "text/plain; charset=utf-8", f"{status.phrase}\n".encode()


def _response(page: Page, headers: str = "", *, has_content: bool = True) -> bytes:
    status, content_type, content = page
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(content)}\r\n{headers}Connection: close\r\n\r\n"
    )
    return head.encode() + (content if has_content else b"")


def _listen(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    try:
        if int(port) not in range(2**16):
            raise ValueError("no such port")
        family = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, int(port)), family=family)
    except (OSError, ValueError) as error:
        raise SettingsError(f"DOCQA_METRICS_ADDR: can't listen on {address!r}: {error}.") from None
