"""Makes room in the bucket of results: those that were read go an hour later, and first when the bound is near.

A client that has read a result says so on `docqa.read.…`, which is kept as a stream in the order of reading. Others
stay for DOCQA_RESULT_TTL_S.
"""

import asyncio
import contextlib
from typing import Final

from contract import topology
from contract.bus import Bus
from contract.errors import BadNameError, BusError
from contract.topology import JobName

KEPT_AFTER_READING_S: Final = 3600.0
NEAR_THE_BOUND: Final = 0.8
"""The part of the bucket's bound from which on results go as soon as they were read, the first read first."""
_LOOKS_EVERY_S: Final = 1.0
_MOST_AT_ONCE: Final = 1000
_BETWEEN_LOOKS: Final = 100
"""Results that go before the bucket's size is read again."""


class ReadResults:
    """One worker's part in removing results; that several do it at once does no harm."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def run(self) -> None:
        """Make room every second; does not return."""
        while True:
            await asyncio.sleep(_LOOKS_EVERY_S)
            with contextlib.suppress(BusError):
                await self.make_room()

    async def make_room(self) -> int:
        """Remove what was read long ago, and more while the bound is near. How many went; raises BusError."""
        removed, is_tight = 0, False
        while removed < _MOST_AT_ONCE:
            if removed % _BETWEEN_LOOKS == 0:
                is_tight = await self._bus.results.fill() >= NEAR_THE_BOUND
            oldest = await self._bus.next_stored(topology.READ_STREAM, 1, topology.READ_SUBJECTS)
            if oldest is None:
                return removed
            if not is_tight and self._bus.clock.age_s(oldest.time_s) < KEPT_AFTER_READING_S:
                return removed
            with contextlib.suppress(BadNameError):
                await self._bus.results.clear(JobName.from_read_subject(oldest.subject).key)
            await self._bus.remove_stored(topology.READ_STREAM, oldest.seq)
            removed += 1
        return removed
