"""Which workers live, and whether each of them confirmed that it forgot a document. Knows no store."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Final

import msgspec
import structlog
from nats.aio.msg import Msg

from contract import topology
from contract.bus import Bus
from contract.errors import LibraryRefusedError
from contract.library_messages import ErasedNotice, ErasedReply, decode_reply, encode
from contract.messages import WorkerAnnouncement
from contract.topology import LibraryAddress
from library.store.records import Erasure

LIVES_S: Final = 16.0
"""A worker announces itself every five seconds; one that was silent for three of them has ended, or forgets all that
it read as soon as it has the message bus again."""
ROLL_CALL_S: Final = 0.5
CONFIRMED_WITHIN_S: Final = 5.0
_INBOX: Final = "_INBOX_library.erased"

log = structlog.get_logger(__name__)


class Workers:
    """Listens for announcements and confirmations."""

    def __init__(self, bus: Bus, clock: Callable[[], float] = time.monotonic) -> None:
        self._bus = bus
        self._clock = clock
        self._seen_s: dict[str, float] = {}
        self._confirmed: set[tuple[str, str]] = set()
        self._changed = asyncio.Event()

    async def listen(self) -> None:
        await self._bus.subscribe(topology.WORKER_SUBJECTS, self._on_announcement)
        await self._bus.subscribe(f"{_INBOX}.*", self._on_confirmation)

    async def forget(self, erasures: Iterable[Erasure]) -> bool:
        """Have all live workers forget documents; False where one did not confirm yet. Raises BusError."""
        await self._bus.publish(topology.ROLL_CALL_SUBJECT, b"")
        await asyncio.sleep(ROLL_CALL_S)
        wanted = {(erasure.document, worker) for erasure in erasures for worker in self._living()}
        self._confirmed.clear()
        for erasure in erasures:
            await self._notify(erasure)
        if not await self._are_confirmed(wanted):
            # One that ended meanwhile is not waited for.
            living = set(self._living())
            missing = {worker for _, worker in wanted - self._confirmed if worker in living}
            log.warning("an erasure waits for workers to forget it", workers=sorted(missing))
            return not missing
        return True

    def _living(self) -> list[str]:
        now_s = self._clock()
        self._seen_s = {worker: seen_s for worker, seen_s in self._seen_s.items() if now_s - seen_s < LIVES_S}
        return list(self._seen_s)

    async def _notify(self, erasure: Erasure) -> None:
        address = LibraryAddress("erased", erasure.publisher, erasure.client)
        notice = ErasedNotice(document=erasure.document, versions=list(erasure.versions))
        await self._bus.publish(address.subject, encode(notice), reply=f"{_INBOX}.{erasure.document}")

    async def _are_confirmed(self, wanted: set[tuple[str, str]]) -> bool:
        try:
            async with asyncio.timeout(CONFIRMED_WITHIN_S):
                while not wanted <= self._confirmed:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def _on_announcement(self, message: Msg) -> None:
        try:
            announced = msgspec.json.decode(message.data, type=WorkerAnnouncement)
        except msgspec.DecodeError:
            return
        if announced.leaving or not announced.confirms_erasures:
            self._seen_s.pop(announced.id, None)
        else:
            self._seen_s[announced.id] = self._clock()

    async def _on_confirmation(self, message: Msg) -> None:
        try:
            reply = decode_reply(ErasedReply, message.data)
        except LibraryRefusedError:
            return
        self._confirmed.add((message.subject.rpartition(".")[2], reply.worker))
        self._changed.set()
