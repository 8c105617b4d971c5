"""How often each job was started. Starts are counted, not deliveries: a drain or a reconnect is no attempt."""

from contract.bus.bucket import Bucket, Entry
from contract.topology import JobName


class Starts:
    """Counts kept in the bucket of starts, as decimal text under the job's key. All methods raise BusError."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    async def of(self, job: JobName) -> int:
        return _count(await self._bucket.get(job.key))

    async def add(self, job: JobName) -> int:
        """Count one start, on disk before this returns; the number of starts so far."""
        return await self._change(job, 1)

    async def take_back(self, job: JobName) -> None:
        """Uncount a start that ended by no fault of the job's."""
        await self._change(job, -1)

    async def forget(self, job: JobName) -> None:
        """Drop the count of a job that has its result."""
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
