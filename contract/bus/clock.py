"""The bus's clock as seen from this machine: times that the bus stamped are compared with it, never with our own.

Two machines' clocks differ. A job's deadline counts from when the stream stored it, by the server's clock: a worker
whose clock is ahead would find jobs too late that have just come. So the difference is measured, by times in replies.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

import msgspec
import structlog

from contract import topology
from contract.bus import api
from contract.errors import BusError

MEASURES_EVERY_S: Final = 10.0
TOO_FAR_S: Final = 2.0
"""A difference that is reported: certificates, tokens' expiry and logs of several machines suffer from it too."""

_SAMPLES: Final = 3
_QUESTION: Final = api.consumer_info(topology.JOBS_STREAM, topology.WORKER_DURABLE)

log = structlog.get_logger(__name__)


class _Reply(msgspec.Struct):
    ts: datetime | None = None


_decoder = msgspec.json.Decoder(_Reply)


class BusClock:
    """The bus's time, from this machine's clock and the difference that was measured last."""

    def __init__(self, request: Callable[[str, bytes], Awaitable[bytes]]) -> None:
        self._request = request
        self.skew_s = 0.0
        """How far this machine's clock is ahead of the bus's; 0 until it was measured."""

    def now_s(self) -> float:
        """Unix seconds by the bus's clock."""
        return time.time() - self.skew_s

    def age_s(self, stored_s: float) -> float:
        """Seconds since a time that the bus stamped; never negative."""
        return max(self.now_s() - stored_s, 0.0)

    async def keep_measuring(self) -> None:
        """Measure every MEASURES_EVERY_S seconds; does not return."""
        while True:
            await self.measure()
            await asyncio.sleep(MEASURES_EVERY_S)

    async def measure(self) -> None:
        """Measure the difference now; a bus that does not answer, or sends no time, leaves it as it was."""
        samples: list[tuple[float, float]] = []
        while len(samples) < _SAMPLES and (sample := await self._sample()):
            samples.append(sample)
        if not samples:
            return
        was_far = abs(self.skew_s) > TOO_FAR_S
        # The quickest reply is the most exact: its error is at most half of its round trip.
        _, self.skew_s = min(samples)
        if abs(self.skew_s) > TOO_FAR_S and not was_far:
            log.warning("this machine's clock differs from the bus's: set it by NTP", ahead_s=round(self.skew_s, 1))

    async def _sample(self) -> tuple[float, float] | None:
        """Seconds that the reply took, and how far this clock is ahead (Cristian's algorithm)."""
        asked_s, began_s = time.time(), time.monotonic()
        try:
            reply = _decoder.decode(await self._request(_QUESTION, b""))
        except (BusError, msgspec.DecodeError):
            return None
        took_s = time.monotonic() - began_s
        return (took_s, asked_s + took_s / 2 - reply.ts.timestamp()) if reply.ts else None
