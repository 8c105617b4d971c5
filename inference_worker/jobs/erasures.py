"""The worker's part in erasing a document: what was read of it is forgotten, then the library is notified."""

from typing import Final, Protocol

import structlog
from nats.aio.msg import Msg

from contract import topology
from contract.bus import Bus
from contract.errors import BadMessageError, BusError
from contract.library_messages import ErasedNotice, ErasedReply, decode_request, encode

log = structlog.get_logger(__name__)


class Forgets(Protocol):
    """What reads documents for answers."""

    async def erase(self, document: str) -> None:
        """Break off what reads this document, and forget what was read of it."""

    async def forget(self) -> None:
        """Forget all documents."""


class Erasures:
    """Listens for what the library erases."""

    def __init__(self, bus: Bus, engine: Forgets, worker_id: str) -> None:
        self._bus = bus
        self._engine = engine
        self._id: Final = worker_id

    async def listen(self) -> None:
        """Before the first job is taken."""
        await self._bus.subscribe(topology.ERASED_SUBJECTS, self._on_erased)

    async def catch_up(self) -> None:
        """After a time without the message bus: whatever was erased meanwhile is forgotten."""
        await self._engine.forget()

    async def _on_erased(self, message: Msg) -> None:
        try:
            notice = decode_request(ErasedNotice, message.data)
        except BadMessageError as error:
            log.warning("a notice of the library can't be understood", error=str(error))
            return
        await self._engine.erase(notice.document)
        if message.reply:
            try:
                await self._bus.publish(message.reply, encode(ErasedReply(worker=self._id)))
            except BusError:
                log.warning("the library asks again: its notice could not be confirmed", document=notice.document)
