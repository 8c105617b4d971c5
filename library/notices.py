"""Publishes what was erased: workers that listen forget it."""

from contract.bus import Bus
from contract.errors import BusError
from contract.library_messages import ErasedNotice, encode
from contract.topology import LibraryAddress
from library.store.records import Erasure


class Notices:
    """One notice for each erased document."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def forget(self, erasure: Erasure) -> bool:
        """Publish the notice; False: it could not be sent, and has to be sent again."""
        address = LibraryAddress("erased", erasure.publisher, erasure.client)
        notice = ErasedNotice(document=erasure.document, versions=list(erasure.versions))
        try:
            await self._bus.publish(address.subject, encode(notice))
        except BusError:
            return False
        return True
