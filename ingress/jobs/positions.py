"""How many jobs are before an accepted one, and when its answer is expected: estimates from the stream's state.

The state is read once in STATE_KEPT_S at most, however many clients wait. Messages that left the stream out of turn
leave gaps in its sequence, of which only the number is known: so a position may be wrong by as many.
"""

import asyncio
import math
import time
from typing import Final

import msgspec

from contract.bus import Bus, QueueState
from contract.errors import BusError
from ingress.jobs.workers import Fleet

STATE_KEPT_S: Final = 0.5


class Position(msgspec.Struct, frozen=True, omit_defaults=True):
    """`position`: jobs accepted earlier without a result; it may rise where others' turns come first.

    `expected_s`: seconds from now until the answer, at the present pace; absent without a worker.
    """

    position: int
    expected_s: float | None = None


class Positions:
    """Estimates positions for the clients of one ingress."""

    def __init__(self, bus: Bus, fleet: Fleet) -> None:
        self._bus = bus
        self._fleet = fleet
        self._state: QueueState | None = None
        self._read_at_s = -math.inf
        self._reading = asyncio.Lock()

    async def of(self, seq: int | None) -> Position | None:
        """The position of the job with this sequence on the stream; None while it can't be known."""
        try:
            return None if seq is None else self.within(await self._recent(), seq)
        except BusError:
            return None

    def within(self, state: QueueState, seq: int) -> Position:
        """The position in this state of the stream."""
        earlier, slots, pace = earlier_jobs(state, seq), self._fleet.slots, self._fleet.pace
        return Position(earlier, round(max(earlier + 1, slots) / pace, 1) if pace else None)

    async def _recent(self) -> QueueState:
        async with self._reading:
            if self._state is None or time.monotonic() - self._read_at_s > STATE_KEPT_S:
                self._state = await self._bus.queue_state()
                self._read_at_s = time.monotonic()
            return self._state


def earlier_jobs(state: QueueState, seq: int) -> int:
    """Jobs on the stream before sequence `seq`, at most; the job may have been stored after the state was read."""
    if seq <= state.delivered_seq:
        return max(min(state.running - 1, seq - state.first_seq), 0)
    gaps = max(state.last_seq - state.delivered_seq - state.pending, 0)
    return state.running + max(seq - state.delivered_seq - 1 - gaps, 0)
