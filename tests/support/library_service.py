"""A library on a real bus, and how a test asks it: as the ingress does, for any client."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeVar

import msgspec

from contract.bus import Bus
from contract.bus.library_client import ask
from contract.documents import LIBRARY_FOLDER, SPOOL_FOLDER, DocumentStatus
from contract.embedding import Embedders
from contract.errors import AlreadyAcceptedError
from contract.library_messages import (
    DeleteReply,
    DeleteRequest,
    ImportWork,
    ListReply,
    ListRequest,
    PutReply,
    PutRequest,
    StatusReply,
    StatusRequest,
    TextReply,
    TextRequest,
    encode,
)
from contract.search_messages import Hit, SearchReply, SearchRequest
from contract.topology import ImportName, LibraryOperation
from library.imports.importer import Read
from library.readers import read_file
from library.service import Library
from library.settings import LibrarySettings
from tests.support.nats_server import RunningServer
from tests.support.waiting import eventually

T = TypeVar("T", bound=msgspec.Struct)
TIMEOUT_S = 30.0


class Client:
    """One client of one publisher, over a connection that may ask for anybody (the admin's)."""

    def __init__(self, bus: Bus, data_dir: Path, client: str = "local", publisher: str = "http") -> None:
        self.bus = bus
        self.spool = data_dir / LIBRARY_FOLDER / SPOOL_FOLDER
        self.client = client
        self.publisher = publisher

    async def ask(self, operation: LibraryOperation, request: msgspec.Struct, reply: type[T]) -> T:
        return await ask(self.bus, operation, self.publisher, self.client, request, reply, TIMEOUT_S)

    async def put(self, name: str, content: bytes, space: str = "", document: str | None = None) -> PutReply:
        """Bring a file in as the ingress does: a place, the spool file, the work."""
        sha256 = hashlib.sha256(content).hexdigest()
        request = PutRequest(name=name, sha256=sha256, size_bytes=len(content), space=space, document=document)
        placed = await self.ask("put", request, PutReply)
        if placed.state == "queued":
            await self.publish(placed, content, sha256)
        return placed

    async def publish(self, placed: PutReply, content: bytes, sha256: str) -> None:
        name = ImportName(self.publisher, self.client, placed.document, placed.generation)
        self.spool.mkdir(parents=True, exist_ok=True)
        (self.spool / name.spool_name).write_bytes(content)
        work = ImportWork(space=placed.space, name=placed.name, sha256=sha256, size_bytes=len(content))
        with contextlib.suppress(AlreadyAcceptedError):
            await self.bus.publish_import(name, encode(work))

    async def status(self, document: str) -> DocumentStatus | None:
        reply = await self.ask("status", StatusRequest(documents=[document]), StatusReply)
        return reply.documents[0] if reply.documents else None

    async def settled(self, document: str, generation: int = 0) -> DocumentStatus:
        """The document's status once it is ready or failed."""

        async def probe() -> DocumentStatus | None:
            status = await self.status(document)
            is_settled = status and status.state in ("ready", "failed") and status.generation >= generation
            return status if is_settled else None

        return await eventually(probe, f"{document} is settled", 60)

    async def add(self, name: str, content: bytes, space: str = "", document: str | None = None) -> DocumentStatus:
        placed = await self.put(name, content, space, document)
        return await self.settled(placed.document, placed.generation)

    async def listed(self, **fields: object) -> ListReply:
        return await self.ask("list", msgspec.convert(fields, ListRequest), ListReply)

    async def text(self, document: str, **fields: object) -> TextReply:
        request = msgspec.convert({"document": document, **fields}, TextRequest)
        return await self.ask("read", request, TextReply)

    async def search(self, query: str, **fields: object) -> list[Hit]:
        request = msgspec.convert({"query": query, **fields}, SearchRequest)
        return (await self.ask("search", request, SearchReply)).hits

    async def delete(self, document: str) -> str:
        return (await self.ask("delete", DeleteRequest(document=document), DeleteReply)).state

    async def erased(self, document: str) -> None:
        """Erase a document, and wait until it is gone."""

        async def probe() -> bool:
            return await self.delete(document) == "erased"

        await eventually(probe, f"{document} is erased", 30)


def settings_for(server: RunningServer, data_dir: Path, **fields: object) -> LibrarySettings:
    bus = server.settings_for("library")
    given = {"nats_url": bus.nats_url, "nats_password": bus.nats_password, "data_dir": data_dir, "ack_wait_s": 5.0}
    return LibrarySettings(**{**given, **fields})  # type: ignore[arg-type]  # fields by name


@contextlib.asynccontextmanager
async def running(
    settings: LibrarySettings, read: Read = read_file, embedders: Embedders | None = None
) -> AsyncIterator[Library]:
    """A library in this process, for the time of a block."""
    library = Library(settings, Bus(), embedders, read)
    await library.connect()
    serving = asyncio.create_task(library.run())
    try:
        yield library
    finally:
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
        await library.close()
