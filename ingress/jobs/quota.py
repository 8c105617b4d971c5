"""Limits each client to its share of the queue's slots, so that no one client takes them all.

Only the stream decides that the queue is full; this module does not know it. A job holds its slot from just before
it is published until its result arrives. A live result may be lost, and another ingress may publish too: so jobs are
counted anew from the stream's own list when a count is first needed, after a reconnect and every few seconds.
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
    """The client's jobs hold all slots of the queue that its share allows."""

    def __init__(self, slots: int, capacity: int) -> None:
        super().__init__()
        self.slots = slots
        self.capacity = capacity


class Quota:
    """Each client's jobs by id, with whether the bus has confirmed or refused each."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._capacity: int | None = None
        self._held: dict[str, dict[str, bool]] = {}
        self._ended: set[str] = set()
        """Jobs whose result arrived since the last count began; they may stay on the stream for a moment longer."""
        self._counting = asyncio.Lock()

    @property
    def is_counting(self) -> bool:
        """False until the first client with a limited share asks: until then nothing is counted."""
        return self._capacity is not None

    async def take(self, job: JobName, share: float) -> None:
        """Hold a slot for a job that is about to be published; a job that already holds one takes no second.

        Raises ShareUsedUpError, or BusError when the first count fails.
        """
        capacity = await self._counted_capacity()
        own = self._held.get(job.client, {})
        slots = max(int(capacity * share), 1)
        if len(own) >= slots and job.job_id not in own:
            raise ShareUsedUpError(slots, capacity)
        self._hold(job.client, job.job_id, is_settled=False)

    def settle(self, job: JobName) -> None:
        """The publish of this job is over: from now on the stream's own list counts."""
        if job.job_id in self._held.get(job.client, {}):
            self._hold(job.client, job.job_id, is_settled=True)

    def free(self, client: str, job_id: str) -> None:
        """Release the slot of a job that was not accepted, or has ended."""
        own = self._held.get(client, {})
        own.pop(job_id, None)
        if not own:
            self._held.pop(client, None)

    def on_result(self, subject: str) -> None:
        """Release the slot of the job whose live result came on this subject."""
        if self.is_counting:
            name = key_of_result(subject).removeprefix(f"{HTTP_PUBLISHER}.")
            self._ended.add(name)
            self.free(*_split(name))

    async def recount(self) -> None:
        """Hold slots for the jobs on the stream and those being published; raises BusError."""
        async with self._counting:
            await self._recount()

    async def keep_counting(self) -> None:
        """Count anew every RECOUNTS_EVERY_S seconds; does not return."""
        while True:
            await asyncio.sleep(RECOUNTS_EVERY_S)
            await self.recount_if_counting()

    async def recount_if_counting(self) -> None:
        """Count anew if a count is kept; if the bus is unavailable, keep the last count."""
        try:
            if self.is_counting:
                await self.recount()
        except BusError as error:
            log.warning("queue slots not counted", error=str(error))

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
