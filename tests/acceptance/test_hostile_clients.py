"""Clients that are slow or mean: bounded, and the others don't notice."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.support.stack import Stack, Start

HEAD_S = 10
BODY_S = 30
LATE_S = 8
"""How much later than its bound a connection may be closed on a busy machine."""


@contextlib.asynccontextmanager
async def connection(stack: Stack) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_unix_connection(str(stack.ready().uds))
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def others_are_served(stack: Stack) -> None:
    async with stack.client() as client:
        assert (await client.ask("do you notice?")).status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize(
    "said", [b"", b"POST /api/query HTTP/1.1\r\nHost: x\r\nContent-"], ids=["silence", "half a head"]
)
async def test_a_client_that_does_not_finish_its_head_is_cut_off(echo: Stack, said: bytes) -> None:
    async with connection(echo) as (reader, writer):
        writer.write(said)
        await others_are_served(echo)
        assert await asyncio.wait_for(reader.read(), HEAD_S + LATE_S) == b""


@pytest.mark.slow
async def test_a_client_that_does_not_finish_its_body_is_cut_off(echo: Stack) -> None:
    async with connection(echo) as (reader, writer):
        writer.write(b"POST /api/query HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
        writer.write(b'Content-Length: 100\r\n\r\n{"query":')
        await others_are_served(echo)
        await asyncio.wait_for(reader.read(), BODY_S + LATE_S)
        assert reader.at_eof()


async def test_twenty_thousand_headers_are_refused(echo: Stack) -> None:
    async with connection(echo) as (reader, writer):
        writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n")
        with contextlib.suppress(OSError):
            writer.write(b"".join(b"x-%d: y\r\n" % number for number in range(20_000)) + b"\r\n")
            await writer.drain()
        assert b" 431 " in await asyncio.wait_for(reader.readline(), 10)
    await others_are_served(echo)


async def test_one_endless_header_is_refused(echo: Stack) -> None:
    async with connection(echo) as (reader, writer):
        writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\nx-long: " + b"y" * 200_000)
        assert b" 431 " in await asyncio.wait_for(reader.readline(), 10)
    await others_are_served(echo)


async def test_a_body_that_never_ends_is_refused_at_its_limit(echo: Stack) -> None:
    async with connection(echo) as (reader, writer):
        writer.write(b"POST /api/query HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
        writer.write(b"Transfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        with contextlib.suppress(OSError):
            for _ in range(64):
                writer.write(chunk)
                await writer.drain()
        assert b" 413 " in await asyncio.wait_for(reader.readline(), 10)
    await others_are_served(echo)


async def test_five_hundred_idle_connections_keep_nobody_out(start: Start) -> None:
    stack = start()
    async with contextlib.AsyncExitStack() as idle:
        for _ in range(500):
            await idle.enter_async_context(connection(stack))
        await others_are_served(stack)


async def test_a_client_that_reads_its_events_byte_by_byte_keeps_nobody_waiting(echo: Stack) -> None:
    body = b'{"query":"' + b"word " * 200 + b'","max_tokens":200}'
    async with connection(echo) as (reader, writer):
        writer.write(b"POST /api/query HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
        writer.write(b"Accept: text/event-stream\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        for _ in range(3):
            await reader.readexactly(1)
            await others_are_served(echo)


async def test_what_is_not_http_gets_a_problem(echo: Stack) -> None:
    async with connection(echo) as (reader, writer):
        writer.write(b"\x16\x03\x01 hello\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 10)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in answer
