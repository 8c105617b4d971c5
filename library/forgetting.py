"""Has the message bus and the workers forget an erased document: results, cached answers and dead letters that name it.

What names a document holds its id. A result becomes the failure `erased`, as when its client erases it; a dead letter
is removed and overwritten. Workers that listen get a notice.
"""

import re
from collections.abc import Sequence

import structlog

from contract import topology
from contract.bus import Bus, api
from contract.bus.client import Stored
from contract.errors import BusError, NotProvisionedError, UnreadableResultError
from contract.library_messages import ErasedNotice
from contract.library_messages import encode as encode_notice
from contract.messages import Answer, Failure, decode_result, encode
from contract.topology import LibraryAddress
from library.store.records import Erasure

ERASED = "A document that it was made from was erased."

_IDS = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_RESULTS = api.bucket_stream(topology.RESULTS_BUCKET)
_RESULT_SUBJECTS = api.bucket_key(topology.RESULTS_BUCKET, ">")

log = structlog.get_logger(__name__)


class Forgetting:
    """Safe to repeat: what is forgotten already is passed over."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._seen_seq = 0
        """Of results: up to here `catch_up` has looked."""

    async def forget(self, erasures: Sequence[Erasure]) -> bool:
        """False: the message bus did not answer, and it has to be done again."""
        documents = {erasure.document.encode() for erasure in erasures}
        try:
            for erasure in erasures:
                await self._notify(erasure)
            await self._erase_results(documents, 1)
            await self._remove_letters(documents)
        except NotProvisionedError:
            # A bus without results has nothing to forget.
            return True
        except BusError as error:
            log.warning("an erasure waits for the message bus", reason=str(error))
            return False
        return True

    async def catch_up(self, erasures: Sequence[Erasure]) -> None:
        """Erase results that were stored since by jobs that had read these documents before; raises BusError."""
        documents = {erasure.document.encode() for erasure in erasures}
        self._seen_seq = await self._erase_results(documents, self._seen_seq + 1)

    async def _notify(self, erasure: Erasure) -> None:
        address = LibraryAddress("erased", erasure.publisher, erasure.client)
        notice = ErasedNotice(document=erasure.document, versions=list(erasure.versions))
        await self._bus.publish(address.subject, encode_notice(notice))

    async def _erase_results(self, documents: set[bytes], first_seq: int) -> int:
        """The last sequence that was looked at."""
        seq = first_seq
        while stored := await self._bus.next_stored(_RESULTS, seq, _RESULT_SUBJECTS):
            if not documents.isdisjoint(_IDS.findall(stored.body)):
                await self._erase_result(stored)
            seq = stored.seq + 1
        return seq - 1

    async def _erase_result(self, stored: Stored) -> None:
        """In its place, unless another write came first: that one is found behind it."""
        key = stored.subject.removeprefix(_RESULT_SUBJECTS.removesuffix(">"))
        try:
            result = decode_result(stored.body)
        except UnreadableResultError:
            # Of a newer version: what it holds is erased all the same.
            result = None
        if isinstance(result, Answer) and result.cache_key:
            # First, since the result knows where it is.
            await self._bus.cache.put(result.cache_key, b"")
        job_id = key.rpartition(".")[2]
        await self._bus.results.swap(key, encode(Failure(id=job_id, code="erased", detail=ERASED)), stored.seq)

    async def _remove_letters(self, documents: set[bytes]) -> None:
        seq = 1
        while stored := await self._bus.next_stored(topology.DEAD_STREAM, seq, topology.DEAD_SUBJECTS):
            if not documents.isdisjoint(_IDS.findall(stored.body)):
                await self._bus.remove_stored(topology.DEAD_STREAM, stored.seq)
            seq = stored.seq + 1
