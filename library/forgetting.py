"""Has workers and the message bus forget an erased document: results, cached answers and dead letters that name it.

What names a document holds its id. A result becomes the failure `erased`, as when its client erases it. All that goes
is overwritten in nats-server's own files, which a later write alone would not do.
"""

import asyncio
import re
from collections.abc import Sequence

import structlog

from contract import topology
from contract.bus import Bus, api
from contract.bus.client import Stored
from contract.errors import BusError, NotProvisionedError, UnreadableResultError
from contract.messages import Answer, Failure, decode_result, encode
from library.store.records import Erasure
from library.store.sqlite import SqliteStore
from library.workers import Workers

ERASED = "A document that it was made from was erased."

_IDS = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_RESULTS = api.bucket_stream(topology.RESULTS_BUCKET)
_RESULT_SUBJECTS = api.bucket_key(topology.RESULTS_BUCKET, ">")

log = structlog.get_logger(__name__)


class Forgetting:
    """Safe to repeat: what is forgotten already is passed over."""

    def __init__(self, bus: Bus, store: SqliteStore, workers: Workers) -> None:
        self._bus = bus
        self._store = store
        self._workers = workers
        self._seen_seq = 0
        """Of results: up to here `catch_up` has looked."""

    async def forget(self, erasures: Sequence[Erasure]) -> bool:
        """False: the message bus did not answer, or a worker did not confirm, and it has to be done again.

        The workers first: after that no answer of theirs is made from these documents any more.
        """
        try:
            if not await self._workers.forget(erasures):
                return False
            await self.pay_owed()
            await self._forget_on_bus(erasures)
        except NotProvisionedError:
            # A bus without results has nothing to forget.
            return True
        except BusError as error:
            log.warning("an erasure waits for the message bus", reason=str(error))
            return False
        return True

    async def forget_restored(self, erasures: Sequence[Erasure]) -> None:
        """After the message bus was restored from a backup, which may hold anything; raises BusError."""
        await self.pay_owed()
        await self._forget_on_bus(erasures)

    async def catch_up(self, erasures: Sequence[Erasure]) -> None:
        """Erase results that were stored since by jobs that had read these documents before; raises BusError."""
        await self.pay_owed()
        documents = {erasure.document.encode() for erasure in erasures}
        self._seen_seq = await self._erase_results(documents, self._seen_seq + 1)

    async def pay_owed(self) -> None:
        """Write the results that a former process had deleted, and was killed before it wrote them; raises BusError."""
        for key in await asyncio.to_thread(self._store.owed_results):
            await self._write_erased(key)

    async def _forget_on_bus(self, erasures: Sequence[Erasure]) -> None:
        documents = {erasure.document.encode() for erasure in erasures}
        await self._erase_results(documents, 1)
        await self._remove_letters(documents)

    async def _erase_results(self, documents: set[bytes], first_seq: int) -> int:
        """The last sequence that was looked at."""
        seq = first_seq
        while stored := await self._bus.next_stored(_RESULTS, seq, _RESULT_SUBJECTS):
            if not documents.isdisjoint(_IDS.findall(stored.body)):
                await self._erase_result(stored)
            seq = stored.seq + 1
        return seq - 1

    async def _erase_result(self, stored: Stored) -> None:
        """In its place. What another writes into it meanwhile is found behind it."""
        key = stored.subject.removeprefix(_RESULT_SUBJECTS.removesuffix(">"))
        try:
            result = decode_result(stored.body)
        except UnreadableResultError:
            # Of a newer version: what it holds is erased all the same.
            result = None
        if isinstance(result, Answer) and result.cache_key:
            # First, since the result knows where it is.
            await self._erase_cached(result.cache_key)
        # Noted before it is deleted: a job that was answered has a result, even after a kill in between.
        await asyncio.to_thread(self._store.owe_result, key)
        if not await self._bus.results.remove(stored.seq):
            log.warning("a result stays in the message bus's own files: a backup and its restore lift that", key=key)
            await self._bus.results.swap(key, _erased(key), stored.seq)
        await self._write_erased(key)

    async def _write_erased(self, key: str) -> None:
        await self._bus.results.create(key, _erased(key))
        await asyncio.to_thread(self._store.settle_result, key)

    async def _erase_cached(self, key: str) -> None:
        if entry := await self._bus.cache.get(key):
            await self._bus.cache.remove(entry.seq)
        await self._bus.cache.put(key, b"")

    async def _remove_letters(self, documents: set[bytes]) -> None:
        seq = 1
        while stored := await self._bus.next_stored(topology.DEAD_STREAM, seq, topology.DEAD_SUBJECTS):
            if not documents.isdisjoint(_IDS.findall(stored.body)):
                await self._bus.remove_stored(topology.DEAD_STREAM, stored.seq)
            seq = stored.seq + 1


def _erased(key: str) -> bytes:
    return encode(Failure(id=key.rpartition(".")[2], code="erased", detail=ERASED))
