"""Watches how full the store of results is: a full one accepts no result, so workers and cancels wait."""

import asyncio
from typing import Final

import structlog

from contract.bus import Bus
from contract.bus.bucket import BucketSize
from contract.errors import BusError

CHECKS_EVERY_S: Final = 2.0
LEAST_FREE_BYTES: Final = 65_536
"""With less room than that, answers of ordinary length may not be stored."""

log = structlog.get_logger(__name__)


class ResultStore:
    """The store's size at the last check; None before the first one, or where it can't be read."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.size: BucketSize | None = None

    @property
    def error(self) -> str | None:
        """A sentence while the store is full or nearly so, else None."""
        if self.size is None or self.size.free_bytes >= LEAST_FREE_BYTES:
            return None
        return (
            f"The store of results is full ({self.size.used_bytes} of {self.size.max_bytes} bytes): new results wait "
            "until old ones expire or are erased, or DOCQA_RESULTS_MAX_BYTES is raised."
        )

    async def keep_checking(self) -> None:
        """Check every CHECKS_EVERY_S seconds; does not return."""
        while True:
            await self.check()
            await asyncio.sleep(CHECKS_EVERY_S)

    async def check(self) -> None:
        """Read the size now; on a bus that does not answer, keep the last one."""
        was_full = self.error is not None
        try:
            self.size = await self._bus.results.size()
        except BusError:
            return
        if self.error and not was_full:
            log.error("the store of results is full", used=self.size.used_bytes, limit=self.size.max_bytes)
