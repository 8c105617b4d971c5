"""Counts how often each job was started, and beside how many others. Not deliveries: a reconnect delivers again.

A start that ended in a crash proves something only where the job ran alone. One in company makes suspects of all that
ran together: they are started again in half of that company, and so on, until one of them is alone. So what crashes a
process is found after 1 + log2(slots) starts in company, and a machine's restart costs its jobs one round.
"""

import math
from collections.abc import Callable
from typing import Final, Self

import msgspec

from contract.bus.bucket import Bucket, Entry
from contract.topology import JobName

_HEADER: Final = "Docqa-Starts"
"""In company, alone, company of the last start. The value itself is a plain number, which older workers read."""


class StartRecord(msgspec.Struct, frozen=True):
    """The starts of a job without a result: in company and alone, and the most that may have run at its last one."""

    in_company: int = 0
    alone: int = 0
    company: int = 0

    @property
    def total(self) -> int:
        return self.in_company + self.alone

    def next_company(self, slots: int) -> int:
        """How many suspects may run together at the next start, this one included; 0 for a job that is no suspect."""
        if not self.total:
            return 0
        is_enough = self.in_company > math.ceil(math.log2(slots))
        return 1 if is_enough else max(self.company // 2, 1)

    def added(self, company: int) -> Self:
        """With one more start, beside at most `company - 1` others."""
        if company == 1:
            return type(self)(self.in_company, self.alone + 1, 1)
        return type(self)(self.in_company + 1, self.alone, company)

    def blamed(self) -> Self:
        """The last start failed by the job's own fault, whichever jobs ran beside it: it counts as one alone."""
        return type(self)(self.in_company - 1, self.alone + 1, 1) if self.company > 1 else self

    def taken_back(self) -> Self:
        """Without the last start, which the worker itself ended: the next one may have the same company."""
        if self.company > 1:
            return type(self)(max(self.in_company - 1, 0), self.alone, 2 * self.company)
        return type(self)(self.in_company, max(self.alone - 1, 0), 2 * self.company)


class Starts:
    """Kept in the bucket of starts under the job's key. All methods raise BusError."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    async def of(self, job: JobName) -> StartRecord:
        """The job's starts so far."""
        return _decoded(await self._bucket.get(job.key))

    async def add(self, job: JobName, company: int = 1) -> StartRecord:
        """Count one start, on disk before this returns; with it, the job's starts so far."""
        return await self._change(job, lambda starts: starts.added(company))

    async def blame(self, job: JobName) -> StartRecord:
        """Count the last start as one alone."""
        return await self._change(job, StartRecord.blamed)

    async def take_back(self, job: JobName) -> StartRecord:
        """Uncount a start that the worker itself ended."""
        return await self._change(job, StartRecord.taken_back)

    async def forget(self, job: JobName) -> None:
        """Delete the count of a job that has its result."""
        if entry := await self._bucket.get(job.key):
            await self._bucket.remove(entry.seq)

    async def _change(self, job: JobName, change: Callable[[StartRecord], StartRecord]) -> StartRecord:
        while True:
            entry = await self._bucket.get(job.key)
            starts = change(_decoded(entry))
            headers = {_HEADER: f"{starts.in_company},{starts.alone},{starts.company}"}
            value = str(max(starts.alone, min(starts.total, 1))).encode()
            if await self._bucket.swap(job.key, value, entry.seq if entry else 0, headers):
                return starts


def _decoded(entry: Entry | None) -> StartRecord:
    if entry is None:
        return StartRecord()
    if text := entry.headers.get(_HEADER):
        return StartRecord(*map(int, text.split(",")))
    # An older worker's: it ran a job in company once, and alone from then on.
    return StartRecord(alone=int(entry.value), company=1)
