"""Requests that wait for results. Live results from the bus wake them; the results bucket is authoritative.

A live result can be missed (the bus was unavailable, the ingress was busy): so the bucket is read after each
reconnect, and once more before a wait ends without a result.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator

import structlog
from nats.aio.msg import Msg

from contract.bus import Bus
from contract.errors import BusError
from contract.messages import Result, decode_result
from contract.topology import JobName, key_of_result

log = structlog.get_logger(__name__)


class Reply:
    """One request that waits for one job's result."""

    def __init__(self, bus: Bus, job: JobName, live: "asyncio.Future[bytes | None]") -> None:
        self._bus = bus
        self._job = job
        self._live = live

    @property
    def is_released(self) -> bool:
        """True once the ingress is stopping: then this reply receives nothing more."""
        return self._live.done() and self._live.result() is None

    async def within(self, seconds: float) -> Result | None:
        """The job's result, or None when it does not arrive in time or the ingress is stopping."""
        with contextlib.suppress(TimeoutError):
            # Shielded: a wait that times out leaves the future usable for the next one.
            if body := await asyncio.wait_for(asyncio.shield(self._live), seconds):
                return decode_result(body)
        return await self._stored()

    async def _stored(self) -> Result | None:
        try:
            entry = await self._bus.results.get(self._job.key)
        except BusError:
            return None
        return decode_result(entry.value) if entry else None


class Replies:
    """All waiting requests of this ingress, by job key."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._waiting: defaultdict[str, set[asyncio.Future[bytes | None]]] = defaultdict(set)
        self._is_released = False

    @contextlib.contextmanager
    def expect(self, job: JobName) -> Iterator[Reply]:
        """Listen for a job's result from now on. Enter before publishing, so that a fast answer is not missed."""
        live: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        if self._is_released:
            live.set_result(None)
        self._waiting[job.key].add(live)
        try:
            yield Reply(self._bus, job, live)
        finally:
            self._waiting[job.key].discard(live)
            if not self._waiting[job.key]:
                del self._waiting[job.key]

    async def on_message(self, message: Msg) -> None:
        """Receive one live result from the bus."""
        self._wake(key_of_result(message.subject), message.data)

    async def look_up_all(self) -> None:
        """Read the bucket for all waiting requests: live results sent while the bus was unavailable are lost."""
        for key in list(self._waiting):
            try:
                entry = await self._bus.results.get(key)
            except BusError:
                log.warning("results not read: the bus is unavailable", job=key)
                return
            if entry:
                self._wake(key, entry.value)

    def release(self) -> None:
        """End all waits, present and future, without a result: the ingress is stopping."""
        self._is_released = True
        for key in list(self._waiting):
            self._wake(key, None)

    def _wake(self, key: str, body: bytes | None) -> None:
        for live in self._waiting.get(key, ()):
            if not live.done():
                live.set_result(body)
