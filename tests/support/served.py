"""An ASGI app served by the ingress's own server, on a Unix socket and on loopback TCP, in this process."""

import asyncio
import contextlib
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

from contract.runtime.systemd import Notifier
from ingress.asgi import App, Receive, Scope, Send
from ingress.server.server import Server

LIMIT_S = 10


class Served(NamedTuple):
    """Where the app is served."""

    path: str
    port: int

    async def streams(self, *, over_tcp: bool) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if over_tcp:
            return await asyncio.open_connection("127.0.0.1", self.port)
        return await asyncio.open_unix_connection(self.path)

    async def exchange(self, *pieces: bytes, over_tcp: bool = False, is_half_closed: bool = False) -> bytes:
        """All that the server sends until it closes the connection."""
        reader, writer = await self.streams(over_tcp=over_tcp)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        if is_half_closed:
            writer.write_eof()
        try:
            return await asyncio.wait_for(reader.read(), LIMIT_S)
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def served(app: App) -> AsyncIterator[Served]:
    """Serve `app`, which need not know of lifespans, for the time of a block."""

    async def with_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            return await app(scope, receive, send)
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})

    # A Unix socket's path ends at 107 bytes: pytest's own folders are too long.
    folder = Path(tempfile.mkdtemp(prefix="dq"))
    with socket.socket(socket.AF_UNIX) as unix, socket.socket(socket.AF_INET) as tcp:
        unix.bind(str(folder / "sock"))
        tcp.bind(("127.0.0.1", 0))
        for listener in (unix, tcp):
            listener.listen()
        server = Server(with_lifespan, lambda: None, Notifier(), lambda: asyncio.sleep(0))
        task = asyncio.create_task(server.serve_on([unix.dup(), tcp.dup()]))
        try:
            yield Served(str(folder / "sock"), tcp.getsockname()[1])
        finally:
            server.stop()
            await task
            shutil.rmtree(folder)
