"""Which jobs may generate now: up to `slots` together, or a few suspects and nothing beside them.

A suspect is a job that was started before and has no result: it may have crashed the process. In a company that is
halved after each crash, it can't use up the attempts of the jobs beside it.
"""

import asyncio

from inference_worker.jobs.fair_queue import Claim, FairQueue


class Slots:
    """The slots for running jobs; while more jobs wait than slots are free, a fair queue decides."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._running = 0
        self._company = 0
        """How many suspects may run together now; 0 while none runs."""
        self._queue = FairQueue()
        self._waiting: dict[Claim, asyncio.Future[None]] = {}
        """Resolved when the claim gets its slot."""
        self._next: Claim | None = None
        """A suspect whose turn it is, until no other job runs: nothing overtakes it, or it would wait for ever."""

    @property
    def running(self) -> int:
        return self._running

    async def enter(self, claim: Claim) -> bool:
        """Wait for a slot; True if it had to wait. Every enter needs one `leave`."""
        if not self._waiting and self._has_room(claim.company):
            self._take(claim.company)
            return False
        granted = self._waiting[claim] = asyncio.get_running_loop().create_future()
        self._queue.add(claim)
        self._admit()
        try:
            await granted
        except asyncio.CancelledError:
            self._give_up(claim, granted)
            raise
        return True

    def leave(self) -> None:
        """Free one slot and admit the next jobs."""
        self._running -= 1
        if not self._running:
            self._company = 0
        self._admit()

    def _give_up(self, claim: Claim, granted: "asyncio.Future[None]") -> None:
        if granted.cancelled():
            self._forget(claim)
            self._admit()
        else:
            self.leave()

    def _admit(self) -> None:
        # A future is cancelled some turns of the event loop before its task gives it up.
        for gone in [claim for claim, granted in self._waiting.items() if granted.cancelled()]:
            self._forget(gone)
        while (claim := self._choose()) and self._has_room(claim.company):
            self._next = None
            self._take(claim.company)
            self._waiting.pop(claim).set_result(None)

    def _choose(self) -> Claim | None:
        """The next claim; None while no slot is free, since a better choice may still arrive."""
        if self._next is None and self._has_room(company=0):
            self._next = self._queue.choose()
        elif self._next is None and (suspect := self._joining()):
            self._queue.take(suspect)
            self._next = suspect
        return self._next

    def _joining(self) -> Claim | None:
        """The suspect that may run beside those that run now, first come first served."""
        if not self._company:
            return None
        return next((claim for claim in self._waiting if claim.company and self._has_room(claim.company)), None)

    def _forget(self, claim: Claim) -> None:
        self._waiting.pop(claim, None)
        self._queue.remove(claim)
        if self._next is claim:
            self._next = None

    def _has_room(self, company: int) -> bool:
        if not company:
            return self._running < self._slots and not self._company
        return not self._running or self._running < min(company, self._company, self._slots)

    def _take(self, company: int) -> None:
        self._running += 1
        if company:
            self._company = min(company, self._company or company)
