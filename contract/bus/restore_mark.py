"""The mark that a restore leaves, from which the deadlines of restored jobs count.

A message keeps its time over a restore, and a job's deadline counts from it: without the mark all jobs that waited in
a backup would be past their deadline at once.
"""

from typing import Final

import msgspec

from contract.bus import Bus
from contract.errors import NotProvisionedError

KEY: Final = "restored"
_UNFINISHED: Final = "restoring"


class Restored(msgspec.Struct, frozen=True):
    """A restore: its time (Unix seconds), and the last sequence of the stream of jobs in the backup."""

    at_s: float
    jobs_last_seq: int

    def counts_from_s(self, accepted_s: float, stream_seq: int) -> float:
        """The time from which a job's deadline counts; `accepted_s` is when the stream stored it."""
        return max(accepted_s, self.at_s) if stream_seq <= self.jobs_last_seq else accepted_s


async def read(bus: Bus) -> Restored | None:
    """The last restore of this store; None when there was none. Raises BusError."""
    try:
        entry = await bus.meta.get(KEY)
    except NotProvisionedError:
        # A bus set up by an older version has no such bucket: it was never restored by this one.
        return None
    return msgspec.json.decode(entry.value, type=Restored) if entry else None


async def write(bus: Bus, mark: Restored) -> None:
    """Raises BusError."""
    await bus.meta.put(KEY, msgspec.json.encode(mark))


async def is_unfinished(bus: Bus) -> bool:
    """True when a restore of a running bus was interrupted, so that its streams are incomplete. Raises BusError."""
    try:
        entry = await bus.meta.get(_UNFINISHED)
    except NotProvisionedError:
        return False
    return bool(entry and entry.value)


async def note_unfinished(bus: Bus, *, is_unfinished: bool) -> None:
    """Raises BusError."""
    await bus.meta.put(_UNFINISHED, b"1" if is_unfinished else b"")
