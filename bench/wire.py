"""A closed-loop HTTP client that costs next to nothing: one prepared request, sent over kept-alive connections.

Knows HTTP/1.1 as far as our own servers speak it (a Content-Length in every response). A general client spends more
on one request than the ingress does on refusing it, and would measure itself.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from typing import Final

import msgspec

_LENGTH: Final = b"content-length: "


class Outcome(msgspec.Struct):
    """What a run of requests gave: status codes, the latency of each in seconds, and how long all took."""

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
    """A whole POST request, ready to be written."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
    lines += [f"Content-Length: {len(body)}", *(f"{name}: {value}" for name, value in (headers or {}).items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def closed_loop(address: str, request: bytes, total: int, in_flight: int) -> Outcome:
    """Send `request` `total` times over `in_flight` connections, each waiting for its response before the next."""
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
