"""One job from the outside: where it stands, how it is cancelled, how its result is erased."""

from typing import Literal

import msgspec

from contract.bus import Bus
from contract.bus.bucket import Entry
from contract.messages import Answer, Failure, Result, decode_result, encode
from contract.topology import JobName
from ingress.jobs.waiting import end

CANCELLED = "The client cancelled the job."
ERASED = "The client erased the result."


class Unfinished(msgspec.Struct, frozen=True):
    """A job that waits on the stream, or was handed to a worker."""

    id: str
    status: Literal["queued", "running"]


def public(result: Result) -> Result:
    """A result as clients see it: without what only those on the bus need."""
    result = msgspec.structs.replace(result, body_sha256=msgspec.UNSET)
    return msgspec.structs.replace(result, cache_key=msgspec.UNSET) if isinstance(result, Answer) else result


async def status_of(bus: Bus, job: JobName) -> Result | Unfinished | None:
    """The job's result, else where it stands, else None; raises BusError."""
    # It may end between the two looks: a result that is there counts, whenever it is seen.
    return await stored(bus, job) or await unfinished(bus, job) or await stored(bus, job)


async def stored(bus: Bus, job: JobName) -> Result | None:
    """The job's result as it is stored; raises BusError."""
    entry = await bus.results.get(job.key)
    return decode_result(entry.value) if entry else None


async def unfinished(bus: Bus, job: JobName) -> Unfinished | None:
    """Where a job stands that is on the stream; raises BusError."""
    message = await bus.find_job(job)
    if message is None:
        return None
    state = await bus.queue_state()
    return Unfinished(job.job_id, "running" if message.seq <= state.delivered_seq else "queued")


async def cancel_or_erase(bus: Bus, job: JobName) -> Result | None:
    """Cancel a job that has not ended, erase the result of one that has; what stands then, or None for no such job.

    Raises BusError. The first result stands: cancelling a job that ends at this moment erases its result.
    """
    if await stored(bus, job) is None:
        if await bus.find_job(job) is None and await stored(bus, job) is None:
            return None
        stands = await end(bus, job, "cancelled", CANCELLED)
        if isinstance(stands, Failure) and stands.code == "cancelled":
            return stands
    return await _erase(bus, job)


async def _erase(bus: Bus, job: JobName) -> Failure:
    erased = Failure(id=job.job_id, code="erased", detail=ERASED)
    while True:
        entry = await bus.results.get(job.key)
        # First: who is told that the bus did not answer asks again, as long as the key is there.
        await _empty_cache(bus, entry)
        if await bus.results.swap(job.key, encode(erased), entry.seq if entry else 0):
            return erased


async def _empty_cache(bus: Bus, entry: Entry | None) -> None:
    """Take the answer out of the proxy's cache too, where the same question would bring it back."""
    stands = decode_result(entry.value) if entry else None
    if isinstance(stands, Answer) and stands.cache_key:
        await bus.cache.put(stands.cache_key, b"")
