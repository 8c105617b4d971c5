"""Documents whose first import still waits on the bus: the store does not know them yet."""

import asyncio
import time

from contract import topology
from contract.bus.client import Bus, Stored
from contract.documents import DocumentStatus
from contract.errors import BadMessageError, BadNameError, BusError
from contract.library_messages import ImportWork, decode_request
from contract.topology import ImportName
from library.store.sqlite import SqliteStore


class Waiting:
    """Reads the stream of imports; documents that were erased while they waited are left out."""

    def __init__(self, bus: Bus, store: SqliteStore) -> None:
        self._bus = bus
        self._store = store

    async def of(self, documents: list[str]) -> list[DocumentStatus]:
        """Those of the documents that wait; none where the bus does not answer."""
        found: list[DocumentStatus] = []
        erased = await asyncio.to_thread(self._store.tombstones, documents) if documents else {}
        for document in documents:
            try:
                stored = await self._bus.next_stored(topology.IMPORTS_STREAM, 1, topology.imports_of_document(document))
            except BusError:
                return found
            if stored and (status := _status(stored)) and status.generation > erased.get(document, 0):
                found.append(status)
        return found


def _status(stored: Stored) -> DocumentStatus | None:
    try:
        name = ImportName.from_subject(stored.subject)
        work = decode_request(ImportWork, stored.body)
    except (BadNameError, BadMessageError):
        return None
    stored_ms = int((stored.time_s or time.time()) * 1000)
    return DocumentStatus(
        id=name.document,
        space=work.space,
        name=work.name,
        state="queued",
        generation=name.generation,
        media_type=work.media_type,
        size_bytes=work.size_bytes,
        sha256=work.sha256,
        parent=work.parent,
        created_ms=stored_ms,
        changed_ms=stored_ms,
    )
