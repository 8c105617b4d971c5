"""Who may generate now: up to `slots` jobs together, or one suspect with nothing beside it.

A suspect is a job that was started before and has no result: it may have killed the process. Run alone,
it can't take its neighbours' attempts with it.
"""

import asyncio
from collections import deque


class Batch:
    """Places for running jobs, given out in the order of asking."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._running = 0
        self._has_suspect = False
        self._waiting: deque[tuple[asyncio.Future[None], bool]] = deque()

    @property
    def running(self) -> int:
        return self._running

    async def enter(self, alone: bool) -> bool:
        """Wait for a place; True when there was something to wait for. Every enter needs one `leave`."""
        if not self._waiting and self._has_room(alone):
            self._take(alone)
            return False
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((place, alone))
        try:
            await place
        except asyncio.CancelledError:
            self._give_up(place)
            raise
        return True

    def leave(self) -> None:
        """Free one place and let in who is next."""
        self._running -= 1
        self._has_suspect = False
        self._let_in()

    def _give_up(self, place: "asyncio.Future[None]") -> None:
        if place.cancelled():
            self._let_in()
        else:
            self.leave()

    def _let_in(self) -> None:
        # A place is cancelled some turns of the loop before its task gives it up.
        self._waiting = deque(waiting for waiting in self._waiting if not waiting[0].cancelled())
        while self._waiting and self._has_room(self._waiting[0][1]):
            place, alone = self._waiting.popleft()
            self._take(alone)
            place.set_result(None)

    def _has_room(self, alone: bool) -> bool:
        if alone:
            return not self._running
        return self._running < self._slots and not self._has_suspect

    def _take(self, alone: bool) -> None:
        self._running += 1
        self._has_suspect = alone
