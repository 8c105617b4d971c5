"""A minimal HTTP client: prepared requests over kept-alive connections.

Knows HTTP/1.1 as far as the measured servers use it (a Content-Length or chunks). A general client spends more time on
one request than the ingress on refusing it, and would measure itself.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

_LENGTH: Final = b"content-length: "


class Outcome(msgspec.Struct):
    """The result of a run of requests: status codes, each latency in seconds, and the total time."""

    statuses: Counter[int]
    latencies_s: list[float]
    elapsed_s: float

    @property
    def per_s(self) -> float:
        return len(self.latencies_s) / self.elapsed_s

    def percentile_ms(self, share: float) -> float:
        ordered = sorted(self.latencies_s)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000


def post(path: str, body: bytes, headers: dict[str, str] | None = None) -> bytes:
    """The bytes of a POST request."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
    lines += [f"Content-Length: {len(body)}", *(f"{name}: {value}" for name, value in (headers or {}).items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def get(path: str, headers: dict[str, str] | None = None) -> bytes:
    """The bytes of a GET request."""
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: localhost",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


class Response(msgspec.Struct, frozen=True):
    """A response; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Connections:
    """Kept-alive connections to one address, one per concurrent request."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def exchange(
        self, request: bytes, timeout_s: float, on_chunk: Callable[[bytes], None] | None = None
    ) -> Response:
        """Send one request and read its response; raises OSError, EOFError, ValueError or TimeoutError.

        A connection that the server has closed is replaced before anything is sent, never after: a request is sent
        at most once.
        """
        async with asyncio.timeout(timeout_s):
            reader, writer = await self._take()
            try:
                writer.write(request)
                response = await _whole_response(reader, on_chunk)
            except BaseException:
                writer.close()
                raise
        if response.headers.get("connection") == "close":
            writer.close()
        else:
            self._idle.append((reader, writer))
        return response

    def close(self) -> None:
        """Close all idle connections."""
        for _, writer in self._idle:
            writer.close()
        self._idle.clear()

    async def _take(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        return await _connect(self.address)


async def closed_loop(address: str, request: bytes, total: int, in_flight: int) -> Outcome:
    """Send `request` `total` times over `in_flight` connections, each waiting for its response before the next one."""
    left = iter(range(total))
    outcome = Outcome(Counter(), [], 0.0)
    started_s = time.perf_counter()
    await asyncio.gather(*(_one_connection(address, request, left, outcome) for _ in range(in_flight)))
    outcome.elapsed_s = time.perf_counter() - started_s
    return outcome


async def _one_connection(address: str, request: bytes, left: Iterator[int], outcome: Outcome) -> None:
    reader, writer = await _connect(address)
    for _ in left:
        started_s = time.perf_counter()
        writer.write(request)
        status = await _read_response(reader)
        outcome.latencies_s.append(time.perf_counter() - started_s)
        outcome.statuses[status] += 1
    writer.close()
    await writer.wait_closed()


async def _connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if address.startswith("/"):
        return await asyncio.open_unix_connection(address)
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def _read_response(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    start = head.lower().index(_LENGTH) + len(_LENGTH)
    await reader.readexactly(int(head[start : head.index(b"\r", start)]))
    return int(head[9:12])


async def _whole_response(reader: asyncio.StreamReader, on_chunk: Callable[[bytes], None] | None) -> Response:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").rstrip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if "content-length" in headers:
        body = await reader.readexactly(int(headers["content-length"]))
    elif headers.get("transfer-encoding") == "chunked":
        body = await _chunks(reader, on_chunk)
    else:
        body = await reader.read()
    return Response(int(first[9:12]), headers, body)


async def _chunks(reader: asyncio.StreamReader, on_chunk: Callable[[bytes], None] | None) -> bytes:
    parts = []
    while size := int(await reader.readuntil(b"\r\n"), 16):
        chunk = (await reader.readexactly(size + 2))[:-2]
        parts.append(chunk)
        if on_chunk:
            on_chunk(chunk)
    await reader.readexactly(2)
    return b"".join(parts)
