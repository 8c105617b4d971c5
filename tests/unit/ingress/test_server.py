"""The notifications of the ingress to the service manager, and what a client gets that connects while it stops."""

import asyncio
import contextlib
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from contract.runtime.systemd import Notifier
from ingress.asgi import Message, Receive, Scope, Send
from ingress.server.server import Server

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        return await send({"type": "lifespan.shutdown.complete"})
    head: Message = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
    await send(head)
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def folder() -> Iterator[Path]:
    """A Unix socket's path ends at 107 bytes: pytest's own folders are too long."""
    folder = Path(tempfile.mkdtemp(prefix="dq"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def manager(folder: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(folder / "notify"))
        listening.setblocking(False)
        yield listening


@contextlib.asynccontextmanager
async def serving(folder: Path, watchdog_s: float) -> AsyncIterator[Server]:
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(folder / "door"))
        door.listen()
        useful = asyncio.Event()
        useful.set()
        server = Server(app, lambda: None, Notifier(str(folder / "notify"), watchdog_s), useful.wait)
        task = asyncio.create_task(server.serve_on([door.dup()]))
        try:
            yield server
        finally:
            server.stop()
            await task


async def connected(folder: Path, server: Server) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that the server has taken."""
    streams = await asyncio.open_unix_connection(str(folder / "door"))
    while not server.server_state.connections:
        await asyncio.sleep(0)
    return streams


async def hear(manager: socket.socket, word: bytes) -> None:
    """Wait until the manager has received this word, after any others."""
    async with asyncio.timeout(5):
        while await asyncio.get_running_loop().sock_recv(manager, 100) != word:
            pass


async def test_the_manager_hears_ready_then_signs_of_life_then_stopping(folder: Path, manager: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    async with serving(folder, watchdog_s=0.4):
        assert await asyncio.wait_for(loop.sock_recv(manager, 100), 5) == b"READY=1"
        await hear(manager, b"WATCHDOG=1")
        await hear(manager, b"WATCHDOG=1")
    await hear(manager, b"STOPPING=1")


async def test_who_connected_before_the_stop_still_gets_an_answer_and_it_is_the_last(
    folder: Path, manager: socket.socket
) -> None:
    async with serving(folder, watchdog_s=30) as server:
        await hear(manager, b"READY=1")
        reader, writer = await connected(folder, server)
        server.stop()
        while server.servers[0].is_serving():
            await asyncio.sleep(0)
        writer.write(REQUEST)
        answer = await asyncio.wait_for(reader.read(), 5)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" in answer.lower()
        writer.close()


async def test_who_connected_and_says_nothing_holds_the_stop_up_for_a_second_only(
    folder: Path, manager: socket.socket
) -> None:
    async with serving(folder, watchdog_s=30) as server:
        await hear(manager, b"READY=1")
        reader, writer = await connected(folder, server)
        server.stop()
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
