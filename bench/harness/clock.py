"""The time of one run: seconds since it began, on the monotonic clock, and the wall clock of its beginning."""

import asyncio
import time


class Clock:
    """Starts when it is created."""

    def __init__(self) -> None:
        self._started_s = time.monotonic()
        self.started_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

    def now_s(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._started_s

    async def until(self, at_s: float) -> None:
        """Sleep until that moment of the run; returns at once if it has passed."""
        wait_s = at_s - self.now_s()
        # Sleeping 0 s still lets other tasks run: a late generator must not starve the answers that it waits for.
        await asyncio.sleep(max(wait_s, 0))
