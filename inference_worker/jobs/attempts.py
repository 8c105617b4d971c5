"""Counts how often each job was started. Not deliveries: a drain or a reconnect delivers again, and is no attempt."""

from contract.bus.bucket import Bucket, Entry
from contract.topology import JobName


class Starts:
    """Counts kept in the bucket of starts, as decimal text under the job's key. All methods raise BusError."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    async def of(self, job: JobName) -> int:
        """The number of starts so far."""
        return _count(await self._bucket.get(job.key))

    async def add(self, job: JobName) -> int:
        """Count one start, on disk before this returns. Returns the number of starts so far."""
        return await self._change(job, 1)

    async def take_back(self, job: JobName) -> None:
        """Uncount a start that the worker itself ended."""
        await self._change(job, -1)

    async def forget(self, job: JobName) -> None:
        """Delete the count of a job that has its result."""
        if entry := await self._bucket.get(job.key):
            await self._bucket.remove(entry.seq)

    async def _change(self, job: JobName, by: int) -> int:
        while True:
            entry = await self._bucket.get(job.key)
            count = max(_count(entry) + by, 0)
            if await self._bucket.swap(job.key, str(count).encode(), entry.seq if entry else 0):
                return count


def _count(entry: Entry | None) -> int:
    return int(entry.value) if entry else 0
