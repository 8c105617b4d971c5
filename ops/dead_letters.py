"""Dead letters on the message bus: finds them, replays them as new jobs, removes them.

The id of a replay is derived from its letter, so that a second try after a crash is the same job: the stream refuses it
while it waits or runs, and its result is found after that. The replay is recorded last.
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
"""Headers that a replay keeps. A publisher can send any, and the server acts on some: the admin must not send those."""


class Found(msgspec.Struct, frozen=True):
    """A stored dead letter. `replayed_as` is the id of the job that replayed it."""

    seq: int
    time_s: float
    letter: DeadLetter
    replayed_as: str | None = None

    @property
    def job(self) -> JobName | None:
        """The job that failed; None if the subject is not that of a job."""
        try:
            return JobName.from_subject(self.letter.subject)
        except BadNameError:
            return None

    @property
    def blocker(self) -> str:
        """Why it cannot be replayed; empty if it can."""
        if self.job is None:
            return "its subject names no publisher, client and job"
        if self.letter.query is None:
            return "its query could not be read, so only its size and hash were stored"
        return ""


class NotReplayableError(DocQAError):
    """This dead letter cannot be replayed."""


async def letters(bus: Bus, reason: str = "*", job_id: str = "*", first_seq: int = 1) -> AsyncIterator[Found]:
    """All dead letters of a reason and a job, oldest first; raises BusError."""
    seq, subjects = first_seq, topology.dead_subject(reason, job_id)
    while stored := await bus.next_stored(topology.DEAD_STREAM, seq, subjects):
        yield await _found(bus, stored)
        seq = stored.seq + 1


async def letter(bus: Bus, which: str) -> Found:
    """The dead letter with this sequence, or the newest of this job; raises DocQAError."""
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
    """Publish the letter's query as a new job of its owner; repeated calls give the same job.

    Raises NotReplayableError, TryLaterError when the queue is full, BusError.
    """
    job = found.job
    if found.blocker or job is None:
        raise NotReplayableError(f"Dead letter {found.seq} cannot be replayed: {found.blocker}.")
    again = JobName(job.publisher, job.client, _new_id(found))
    if found.replayed_as is None:
        await _publish(bus, again, found.letter)
        await bus.replays.put(str(found.seq), again.job_id.encode())
    return again


async def drop(bus: Bus, found: Found) -> bool:
    """Remove the letter and its text on disk; False if it is gone already. Raises BusError."""
    return await bus.remove_stored(topology.DEAD_STREAM, found.seq)


async def _publish(bus: Bus, job: JobName, letter: DeadLetter) -> None:
    if letter.query is None or await bus.results.get(job.key):
        # An earlier try published it and was killed before recording so; the job has ended since.
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
        raise TryLaterError(f"The queue is full ({capacity} jobs): try again later.") from None


async def _found(bus: Bus, stored: Stored) -> Found:
    try:
        content = msgspec.json.decode(stored.body, type=DeadLetter)
    except msgspec.DecodeError:
        raise DocQAError(
            f"Dead letter {stored.seq} was written by a newer version of docqa: use that version."
        ) from None
    found = Found(stored.seq, stored.time_s, content)
    mark = await bus.replays.get(str(stored.seq))
    # The record may belong to another letter: after a restore sequences can repeat.
    if mark is None or mark.value.decode() != _new_id(found):
        return found
    return msgspec.structs.replace(found, replayed_as=mark.value.decode())


def _new_id(found: Found) -> str:
    return derived_id("replay", str(found.seq), found.letter.subject, f"{found.time_s:.6f}")
