"""The comparison's client against a server that answers as llama-server does, on a Unix socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bench.peers.dialect import OpenAi
from bench.peers.questions import NO_ANSWER, Task
from bench.peers.system import System

TASK = Task("Who?", "It was Ada.", 4)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
PIECES = ('{"role":"assistant","content":null}', '{"content":"It was"}', '{"content":" Ada"}', "{}")
ANSWER = {
    "choices": [{"message": {"content": "It was Ada"}}],
    "usage": {"completion_tokens": 3, "prompt_tokens": 60, "prompt_tokens_details": {"cached_tokens": 40}},
}


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Streams over a connection that it then closes without saying so; whole answers over kept-alive ones."""
    while head := await reader.readuntil(b"\r\n\r\n"):
        length = next(line for line in head.decode().lower().splitlines() if line.startswith("content-length"))
        asked = json.loads(await reader.readexactly(int(length.partition(":")[2])))
        if asked["stream"]:
            await stream(writer)
            return
        body = json.dumps(ANSWER).encode()
        if asked["max_tokens"] == 1:
            await asyncio.sleep(60)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


async def stream(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD)
    for piece in PIECES:
        event = f'data: {{"choices":[{{"delta":{piece}}}]}}\n\n'.encode()
        writer.write(b"%x\r\n%s\r\n" % (len(event), event))
    writer.write(b"0\r\n\r\n")
    await writer.drain()
    writer.close()


async def quietly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        await answer(reader, writer)
    except (EOFError, ConnectionError, asyncio.CancelledError):
        writer.close()


@pytest.fixture
async def peer(tmp_path: Path) -> AsyncIterator[System]:
    server = await asyncio.start_unix_server(quietly, tmp_path / "s")
    contender = System("llama-server", str(tmp_path / "s"), [], OpenAi())
    yield contender
    contender.close()
    server.close()


async def test_streams_one_after_the_other_are_heard_piece_by_piece(peer: System) -> None:
    for _ in range(3):
        heard = await peer.stream(TASK)
        assert (heard.status, heard.text, heard.tokens, len(heard.moments_s)) == (200, "It was Ada", 2, 2)


async def test_a_whole_answer_says_what_it_took(peer: System) -> None:
    reply = await peer.ask(TASK)
    assert (reply.text, reply.tokens, reply.prompt_tokens, reply.cached_tokens) == ("It was Ada", 3, 60, 40)


async def test_what_is_not_answered_in_time_keeps_its_place(peer: System) -> None:
    slow = Task("Who?", "It was Ada.", 1)
    replies = await peer.ask_all([TASK, slow, TASK, TASK], 2, within_s=0.5)
    assert [reply.status for reply in replies] == [200, NO_ANSWER, 200, 200]


async def test_a_peer_that_is_gone_is_no_answer(tmp_path: Path) -> None:
    gone = System("llama-server", str(tmp_path / "nobody"), [], OpenAi())
    assert (await gone.ask(TASK)).status == (await gone.stream(TASK)).status == NO_ANSWER
