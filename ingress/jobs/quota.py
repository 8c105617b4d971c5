"""Which places of the queue each client holds, so that no one client takes them all.

Knows nothing of a full queue: only the stream says that. A job holds its place from just before it is
published until its result is heard. A reply may be lost, and another ingress may have published: so all is
counted anew from the stream's own list when it is first needed, after a reconnect and every few seconds.
"""

import asyncio
from typing import Final

import structlog

from contract.bus import Bus
from contract.errors import BusError, DocQAError
from contract.topology import HTTP_PUBLISHER, JobName, key_of_result

RECOUNTS_EVERY_S: Final = 10.0

log = structlog.get_logger(__name__)


class ShareUsedUpError(DocQAError):
    """The client holds all places that it may."""

    def __init__(self, places: int, capacity: int) -> None:
        super().__init__()
        self.places = places
        self.capacity = capacity


class Places:
    """Each client's jobs by id, and of each whether the bus has answered for it."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._capacity: int | None = None
        self._held: dict[str, dict[str, bool]] = {}
        self._ended: set[str] = set()
        """Heard since the last count began: such a job may be on the stream for a moment yet."""
        self._counting = asyncio.Lock()

    @property
    def is_counting(self) -> bool:
        """False until a client that has a share has come: until then nothing is counted."""
        return self._capacity is not None

    async def take(self, job: JobName, share: float) -> None:
        """Hold a place for a job that is about to be published; one that holds a place needs no second.

        Raises ShareUsedUpError, or BusError where nothing has been counted yet and nothing can be.
        """
        capacity = await self._counted_capacity()
        own = self._held.get(job.client, {})
        places = max(int(capacity * share), 1)
        if len(own) >= places and job.job_id not in own:
            raise ShareUsedUpError(places, capacity)
        self._hold(job.client, job.job_id, is_settled=False)

    def settle(self, job: JobName) -> None:
        """The bus has answered for this job, or never will: from now on the stream knows best."""
        if job.job_id in self._held.get(job.client, {}):
            self._hold(job.client, job.job_id, is_settled=True)

    def free(self, client: str, job_id: str) -> None:
        """The job was not taken, or has ended."""
        own = self._held.get(client, {})
        own.pop(job_id, None)
        if not own:
            self._held.pop(client, None)

    def hear(self, subject: str) -> None:
        """A result was sent on this subject."""
        if self.is_counting:
            name = key_of_result(subject).removeprefix(f"{HTTP_PUBLISHER}.")
            self._ended.add(name)
            self.free(*_split(name))

    async def recount(self) -> None:
        """Hold what is on the stream, and what the bus has not answered for; raises BusError."""
        async with self._counting:
            await self._recount()

    async def keep_counting(self) -> None:
        """Count anew every few seconds; does not return."""
        while True:
            await asyncio.sleep(RECOUNTS_EVERY_S)
            await self.recount_if_counting()

    async def recount_if_counting(self) -> None:
        """Count anew where a count is kept; a bus that is away leaves it as it was."""
        try:
            if self.is_counting:
                await self.recount()
        except BusError as error:
            log.warning("places not counted", error=str(error))

    async def _counted_capacity(self) -> int:
        if self._capacity is None:
            async with self._counting:
                return await self._recount() if self._capacity is None else self._capacity
        return self._capacity

    async def _recount(self) -> int:
        ended, self._ended = self._ended, set()
        settled = {
            f"{client}.{job}" for client, own in self._held.items() for job, is_settled in own.items() if is_settled
        }
        try:
            stream = await self._bus.jobs_of(HTTP_PUBLISHER)
        except BusError:
            self._ended |= ended
            raise
        for name in settled - stream.names:
            self.free(*_split(name))
        for name in stream.names - settled - ended - self._ended:
            self._hold(*_split(name), is_settled=True)
        self._capacity = stream.capacity
        return stream.capacity

    def _hold(self, client: str, job_id: str, *, is_settled: bool) -> None:
        self._held.setdefault(client, {})[job_id] = is_settled


def _split(name: str) -> tuple[str, str]:
    client, _, job_id = name.partition(".")
    return client, job_id
