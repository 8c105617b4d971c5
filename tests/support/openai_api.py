"""A fake OpenAI-compatible server: records all requests, and misbehaves on demand."""

import asyncio
import contextlib
import json
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

Behaviour = Callable[[asyncio.StreamWriter], Awaitable[None]]

MODEL = "recorded"
USAGE = {"prompt_tokens": 40, "completion_tokens": 3}
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


class Api:
    """Answers each request by the next behaviour of `script`, and by `usually` when that is empty."""

    def __init__(self) -> None:
        self.usually: Behaviour = says("It was Ada.")
        self.script: deque[Behaviour] = deque()
        self.requests: list[bytes] = []
        """Each as it came, head and body."""
        self.hung_up = 0
        """Connections that their caller closed before the answer's end."""
        self.url = ""

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(request.partition(b"\r\n\r\n")[2]) for request in self.requests]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            self.requests.append(head + await reader.readexactly(length))
            answering = asyncio.ensure_future(self._answer(writer))
            leaving = asyncio.ensure_future(reader.read())
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
            self.hung_up += not answering.done() or answering.exception() is not None
            for task in (answering, leaving):
                task.cancel()
            await asyncio.gather(answering, leaving, return_exceptions=True)
        writer.transport.abort() if writer.transport.is_closing() else writer.close()

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        await (self.script.popleft() if self.script else self.usually)(writer)
        with contextlib.suppress(OSError):
            await writer.drain()


@contextlib.asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Api]:
    """An API on a free port for the time of a block."""
    api = Api()
    server = await asyncio.start_server(api.serve, "127.0.0.1", 0, ssl=tls)
    api.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield api
    finally:
        server.close()
        server.close_clients() if hasattr(server, "close_clients") else None
        await asyncio.sleep(0)


def says(text: str, usage: Any = USAGE, reason: str | None = "stop") -> Behaviour:
    """A whole answer, a word an event."""
    words = [word if not number else f" {word}" for number, word in enumerate(text.split(" "))]
    events = [event({"choices": [{"delta": {"content": word}, "finish_reason": None}]}) for word in words]
    events.append(event({"choices": [{"delta": {}, "finish_reason": reason}]}))
    if usage is not None:
        events.append(event({"choices": [], "usage": usage}))
    return sends(STREAM + b": a comment\n\n" + b"".join(events) + b"data: [DONE]\n\n")


def streams(*contents: Any) -> Behaviour:
    """An answer in these contents, whatever they are."""
    events = [event({"choices": [{"delta": {"content": content}}]}) for content in contents]
    last = event({"choices": [{"delta": {}, "finish_reason": "stop"}]})
    return sends(STREAM + b"".join(events) + last + b"data: [DONE]\n\n")


def says_at_once(text: str) -> Behaviour:
    """The answer as one object: what an API does that knows no streams."""
    choices = [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]
    return refuses(200, {"choices": choices, "usage": USAGE})


def breaks_off(text: str) -> Behaviour:
    """Half an answer, then the connection ends."""
    return sends(STREAM + event({"choices": [{"delta": {"content": text}, "finish_reason": None}]}))


def refuses(status: int, body: Any = None, **headers: str) -> Behaviour:
    """A status with a JSON body."""
    content = json.dumps(body if body is not None else {"error": {"message": "No."}}).encode()
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n{lines}\r\n"
    return sends(head.encode() + content)


def sends(content: bytes) -> Behaviour:
    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(content)

    return send


async def hangs(writer: asyncio.StreamWriter) -> None:
    """Takes the question and says nothing."""
    await asyncio.Event().wait()


async def stays(writer: asyncio.StreamWriter) -> None:
    """Answers in chunks, and keeps the connection for the next question."""
    last = event({"choices": [{"delta": {"content": "Here."}, "finish_reason": "stop"}]}) + b"data: [DONE]\n\n"
    writer.write(STREAM.replace(b"Connection: close", b"Transfer-Encoding: chunked"))
    writer.write(f"{len(last):x}\r\n".encode() + last + b"\r\n")
    await writer.drain()
    writer.write(b"0\r\n\r\n")
    await asyncio.Event().wait()


async def reads_for_long(writer: asyncio.StreamWriter) -> None:
    """Sends the head at once and its first word when it has read the prompt, as llama-server does."""
    writer.write(STREAM)
    await writer.drain()
    await asyncio.sleep(0.5)
    writer.write(event({"choices": [{"delta": {"content": "Read."}, "finish_reason": "stop"}]}))


async def begins_and_hangs(writer: asyncio.StreamWriter) -> None:
    """Says one word and nothing more."""
    writer.write(STREAM + event({"choices": [{"delta": {"content": "Well"}, "finish_reason": None}]}))
    await writer.drain()
    await asyncio.Event().wait()


async def never_ends(writer: asyncio.StreamWriter) -> None:
    """Says a long word for ever."""
    writer.write(STREAM)
    while True:
        writer.write(event({"choices": [{"delta": {"content": "x" * 60_000}, "finish_reason": None}]}))
        await writer.drain()


async def never_ends_a_line(writer: asyncio.StreamWriter) -> None:
    writer.write(STREAM)
    while True:
        writer.write(b"data: " + b"x" * 60_000)
        await writer.drain()


def event(chunk: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(chunk).encode() + b"\r\n\r\n"
