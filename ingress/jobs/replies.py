"""Who waits for which result. Live replies from the bus wake the waiting; the results bucket is the truth.

A live reply can be missed (the bus was away, the ingress was busy): so the bucket is read after each
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
    """One waiting request's hold on one job's result."""

    def __init__(self, bus: Bus, job: JobName, live: "asyncio.Future[bytes | None]") -> None:
        self._bus = bus
        self._job = job
        self._live = live

    @property
    def is_released(self) -> bool:
        """True when the ingress is asked to stop: then nothing more comes by this way."""
        return self._live.done() and self._live.result() is None

    async def within(self, seconds: float) -> Result | None:
        """The job's result, or None when it is not there in time or the ingress is asked to stop."""
        with contextlib.suppress(TimeoutError):
            # Shielded: a wait that ends leaves the future for the next one.
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
    """All waiting requests of this ingress, by job."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._waiting: defaultdict[str, set[asyncio.Future[bytes | None]]] = defaultdict(set)
        self._is_released = False

    @contextlib.contextmanager
    def expect(self, job: JobName) -> Iterator[Reply]:
        """Listen for a job's result from now on. Enter before publishing: a fast answer is not missed."""
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

    async def hear(self, message: Msg) -> None:
        """Take in one live result from the bus."""
        self._wake(key_of_result(message.subject), message.data)

    async def look_up_all(self) -> None:
        """Read the bucket for everyone who waits: replies sent while the bus was away are lost."""
        for key in list(self._waiting):
            try:
                entry = await self._bus.results.get(key)
            except BusError:
                log.warning("results can't be read", job=key)
                return
            if entry:
                self._wake(key, entry.value)

    def release(self) -> None:
        """Let every waiting request go, now and from now on: the ingress is about to stop."""
        self._is_released = True
        for key in list(self._waiting):
            self._wake(key, None)

    def _wake(self, key: str, body: bytes | None) -> None:
        for live in self._waiting.get(key, ()):
            if not live.done():
                live.set_result(body)
