"""Who may generate now: up to `slots` jobs together, or one suspect with nothing beside it.

A suspect is a job that was started before and has no result: it may have killed the process. Run alone,
it can't take its neighbours' attempts with it.
"""

import asyncio

from inference_worker.jobs.fair_queue import Claim, Turns


class Batch:
    """Places for running jobs; while there are fewer than jobs, clients take turns."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._running = 0
        self._has_suspect = False
        self._turns = Turns()
        self._places: dict[Claim, asyncio.Future[None]] = {}
        """Of all that wait."""
        self._next: Claim | None = None
        """A suspect whose turn it is, until the batch is empty: nobody passes it, or it would wait for ever."""

    @property
    def running(self) -> int:
        return self._running

    async def enter(self, claim: Claim) -> bool:
        """Wait for a place; True when there was something to wait for. Every enter needs one `leave`."""
        if not self._places and self._has_room(claim.alone):
            self._take(claim.alone)
            return False
        place = self._places[claim] = asyncio.get_running_loop().create_future()
        self._turns.add(claim)
        self._let_in()
        try:
            await place
        except asyncio.CancelledError:
            self._give_up(claim, place)
            raise
        return True

    def leave(self) -> None:
        """Free one place and let in who is next."""
        self._running -= 1
        self._has_suspect = False
        self._let_in()

    def _give_up(self, claim: Claim, place: "asyncio.Future[None]") -> None:
        if place.cancelled():
            self._forget(claim)
            self._let_in()
        else:
            self.leave()

    def _let_in(self) -> None:
        # A place is cancelled some turns of the loop before its task gives it up.
        for gone in [claim for claim, place in self._places.items() if place.cancelled()]:
            self._forget(gone)
        while (claim := self._choose()) and self._has_room(claim.alone):
            self._next = None
            self._take(claim.alone)
            self._places.pop(claim).set_result(None)

    def _choose(self) -> Claim | None:
        """Who is next; nobody as long as there is no place at all, since better choices may still come."""
        if self._next is None and self._has_room(alone=False):
            self._next = self._turns.choose()
        return self._next

    def _forget(self, claim: Claim) -> None:
        self._places.pop(claim, None)
        self._turns.remove(claim)
        if self._next is claim:
            self._next = None

    def _has_room(self, alone: bool) -> bool:
        if alone:
            return not self._running
        return self._running < self._slots and not self._has_suspect

    def _take(self, alone: bool) -> None:
        self._running += 1
        self._has_suspect = alone
