"""Dead letters on the bus: found, tried again as new jobs, dropped.

A replay's id is derived from its letter, so that a second try after a crash is the same job: the stream refuses it
while it waits or runs, and its result is seen after that. That it was replayed is noted last.
"""

from collections.abc import AsyncIterator
from typing import Final

import msgspec

from contract import topology
from contract.bus import Bus
from contract.bus.client import Stored
from contract.errors import AlreadyAcceptedError, BadNameError, DocQAError, QueueFullError
from contract.messages import DeadLetter, body_hash, encode
from contract.topology import JobName, derived_id
from ops.errors import TryLaterError

_KEPT_HEADERS: Final = (topology.TRACE_HEADER,)
"""A publisher may send any header, and some of them the server obeys: the admin sends none of those."""


class Found(msgspec.Struct, frozen=True):
    """A dead letter where it is. `replayed_as` is the id of the job that it became."""

    seq: int
    time_s: float
    letter: DeadLetter
    replayed_as: str | None = None

    @property
    def job(self) -> JobName | None:
        """The job that it was; None for a subject that names none."""
        try:
            return JobName.from_subject(self.letter.subject)
        except BadNameError:
            return None

    @property
    def hindrance(self) -> str:
        """Why it can't be replayed; empty when it can."""
        if self.job is None:
            return "its subject names no publisher, client and job"
        if self.letter.query is None:
            return "nobody could read it, and only its size and hash were kept"
        return ""


class NotReplayableError(DocQAError):
    """This dead letter can't be replayed."""


async def letters(bus: Bus, reason: str = "*", job_id: str = "*", first_seq: int = 1) -> AsyncIterator[Found]:
    """All of a reason and a job, oldest first; raises BusError."""
    seq, subjects = first_seq, topology.dead_subject(reason, job_id)
    while stored := await bus.next_stored(topology.DEAD_STREAM, seq, subjects):
        yield await _found(bus, stored)
        seq = stored.seq + 1


async def letter(bus: Bus, which: str) -> Found:
    """The one with this sequence, or the newest of this job's; raises DocQAError."""
    if topology.is_canonical_uuid(which):
        of_job = [found async for found in letters(bus, job_id=which)]
        if of_job:
            return of_job[-1]
    elif which.isdecimal() and int(which):
        stored = await bus.next_stored(topology.DEAD_STREAM, int(which), topology.DEAD_SUBJECTS)
        if stored and stored.seq == int(which):
            return await _found(bus, stored)
    raise DocQAError(f"There is no dead letter {which}: `docqa dead list` shows their numbers and jobs.")


async def replay(bus: Bus, found: Found) -> JobName:
    """Publish the letter's query as a job of its owner's; the new job, the same one however often this is called.

    Raises NotReplayableError, TryLaterError when the queue is full, BusError.
    """
    job = found.job
    if found.hindrance or job is None:
        raise NotReplayableError(f"Dead letter {found.seq} can't be replayed: {found.hindrance}.")
    again = JobName(job.publisher, job.client, _new_id(found))
    if found.replayed_as is None:
        await _publish(bus, again, found.letter)
        await bus.replays.put(str(found.seq), again.job_id.encode())
    return again


async def drop(bus: Bus, found: Found) -> bool:
    """Remove the letter, its text on the disk too; False when it is gone already. Raises BusError."""
    return await bus.remove_stored(topology.DEAD_STREAM, found.seq)


async def _publish(bus: Bus, job: JobName, letter: DeadLetter) -> None:
    if letter.query is None or await bus.results.get(job.key):
        # An earlier try published it, was killed before it could note so, and the job has ended since.
        return
    body = encode(letter.query)
    headers = {name: letter.headers[name] for name in _KEPT_HEADERS if name in letter.headers}
    headers |= {"Content-Type": "application/json", topology.BODY_HASH_HEADER: body_hash(body)}
    try:
        await bus.publish_job(job, body, headers)
    except AlreadyAcceptedError:
        return
    except QueueFullError:
        capacity = (await bus.queue_state()).capacity
        raise TryLaterError(f"All {capacity} places in the queue are taken: come back later.") from None


async def _found(bus: Bus, stored: Stored) -> Found:
    try:
        content = msgspec.json.decode(stored.body, type=DeadLetter)
    except msgspec.DecodeError:
        raise DocQAError(
            f"Dead letter {stored.seq} was written by a newer version of docqa: look with that one."
        ) from None
    found = Found(stored.seq, stored.time_s, content)
    mark = await bus.replays.get(str(stored.seq))
    # A mark of another letter: after a restore, sequences may come a second time.
    if mark is None or mark.value.decode() != _new_id(found):
        return found
    return msgspec.structs.replace(found, replayed_as=mark.value.decode())


def _new_id(found: Found) -> str:
    return derived_id("replay", str(found.seq), found.letter.subject, f"{found.time_s:.6f}")
