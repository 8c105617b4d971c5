"""One job as a client sees it: its status, how it is cancelled, how its result is erased."""

from typing import Literal

import msgspec

from contract.bus import Bus
from contract.bus.bucket import Entry
from contract.messages import Answer, Failure, Result, decode_result, encode
from contract.topology import JobName
from ingress.jobs.positions import Positions
from ingress.jobs.waiting import end, note_read

CANCELLED = "The client cancelled the job."
ERASED = "The client erased the result."


class Unfinished(msgspec.Struct, frozen=True, omit_defaults=True):
    """A job that waits on the stream, with its `Position` there, or was handed to a worker."""

    id: str
    status: Literal["queued", "running"]
    position: int | None = None
    expected_s: float | None = None


def public(result: Result) -> Result:
    """A result as clients see it: without the fields that only services on the bus need."""
    result = msgspec.structs.replace(result, body_sha256=msgspec.UNSET)
    return msgspec.structs.replace(result, cache_key=msgspec.UNSET) if isinstance(result, Answer) else result


async def status_of(bus: Bus, positions: Positions, job: JobName) -> Result | Unfinished | None:
    """The job's result, else its status while unfinished, else None; raises BusError."""
    # The job may end between the two lookups, so the result is read once more.
    found = await stored(bus, job) or await unfinished(bus, positions, job) or await stored(bus, job)
    if found and not isinstance(found, Unfinished):
        await note_read(bus, job)
    return found


async def stored(bus: Bus, job: JobName) -> Result | None:
    """The job's result as it is stored; raises BusError."""
    entry = await bus.results.get(job.key)
    return decode_result(entry.value) if entry else None


async def unfinished(bus: Bus, positions: Positions, job: JobName) -> Unfinished | None:
    """The status of a job that is on the stream; raises BusError."""
    message = await bus.find_job(job)
    if message is None:
        return None
    state = await bus.queue_state()
    if message.seq <= state.delivered_seq:
        return Unfinished(job.job_id, "running")
    found = positions.within(state, message.seq)
    return Unfinished(job.job_id, "queued", found.position, found.expected_s)


async def cancel_or_erase(bus: Bus, job: JobName) -> Result | None:
    """Cancel a job that has not ended, erase the result of one that has.

    Returns the result stored then, or None for no such job; raises BusError. The first result counts: cancelling a
    job that ends at the same moment erases its result.
    """
    if await stored(bus, job) is None:
        if await bus.find_job(job) is None and await stored(bus, job) is None:
            return None
        result = await end(bus, job, "cancelled", CANCELLED)
        if isinstance(result, Failure) and result.code == "cancelled":
            return result
    return await _erase(bus, job)


async def _erase(bus: Bus, job: JobName) -> Failure:
    erased = Failure(id=job.job_id, code="erased", detail=ERASED)
    while True:
        entry = await bus.results.get(job.key)
        # The cache goes first: a client that gets an error here retries, and the result still holds the cache's key.
        await _empty_cache(bus, entry)
        if await bus.results.swap(job.key, encode(erased), entry.seq if entry else 0):
            return erased


async def _empty_cache(bus: Bus, entry: Entry | None) -> None:
    """Remove the answer from the proxy's cache too, from where the same question would return it."""
    result = decode_result(entry.value) if entry else None
    if isinstance(result, Answer) and result.cache_key:
        await bus.cache.put(result.cache_key, b"")
