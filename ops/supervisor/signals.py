"""Signals of the user: the first Ctrl-C (or SIGTERM) stops gently, the second one hurries."""

import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from typing import Any


class Stop:
    """Counts the signals that this process receives after the object was created."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.hurried = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._count)
        # `nohup` ignores SIGHUP on purpose.
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            loop.add_signal_handler(signal.SIGHUP, self._count)

    async def unless_asked(self, work: Coroutine[Any, Any, None]) -> None:
        """Await `work` until it is done or the user asks to stop; raises what it raises."""
        working = asyncio.create_task(work)
        asked = asyncio.create_task(self.asked.wait())
        await asyncio.wait({working, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working

    def _count(self) -> None:
        if self.asked.is_set():
            self.hurried.set()
        self.asked.set()
