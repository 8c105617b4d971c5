"""Ends the process when the model's steps stand still: its jobs come again, to the worker that is started next.

It looks from the worker's loop. A loop that stands still itself is seen by the service manager, which then misses its
sign of life, and at /health/ready.
"""

import asyncio
import os
import time
from collections.abc import Callable
from typing import Final

import structlog

from contract.bus import Bus
from contract.runtime.systemd import Notifier
from inference_worker.engines.base import Engine

log = structlog.get_logger(__name__)


STALLED_STATUS: Final = 70
"""The process's exit status; sysexits.h calls it an internal software error, and nothing else here ends with it."""

_PERIOD_S: Final = 1.0
_LOOKS_PER_LIMIT: Final = 4
"""At least, however short the limit is."""


class Watchdog:
    """Looks every second at how long the engine has had work without completing a step."""

    def __init__(self, engine: Engine, started: Callable[[], list[str]], limit_s: float, notifier: Notifier) -> None:
        """`started` names the jobs that run, for the log."""
        self._engine = engine
        self._started = started
        self._limit_s = limit_s
        self._notifier = notifier
        self._period_s = min(_PERIOD_S, limit_s / _LOOKS_PER_LIMIT, notifier.watchdog_s / 2)
        self._looked_s = self._awake_s = time.monotonic()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self.look(time.monotonic())
            await asyncio.sleep(self._period_s)

    def look(self, now_s: float) -> None:
        """End the process, or tell the service manager that all is well."""
        if now_s - self._looked_s > self._limit_s / 2:
            # All of the process was stopped (SIGSTOP, a frozen container): the engine had no chance either.
            self._awake_s = now_s
        self._looked_s = now_s
        # The next look would be too late.
        if self._stalled_s(now_s) > self._limit_s - self._period_s:
            self._end(self._stalled_s(now_s))
        self._notifier.alive()

    def hindrance(self, now_s: float) -> str | None:
        """What stands still, in one sentence, well before the limit; None when all goes on. For any thread."""
        if (stalled_s := self._stalled_s(now_s)) > self._limit_s / 2:
            return f"The model has completed no step for {stalled_s:.0f} s."
        if (late_s := now_s - self._looked_s) > self._limit_s / 2:
            return f"The worker's event loop has stood still for {late_s:.0f} s."
        return None

    def _stalled_s(self, now_s: float) -> float:
        return min(self._engine.stalled_s, now_s - self._awake_s)

    def _end(self, stalled_s: float) -> None:
        log.error("the model stands still: ending the process", stalled_s=round(stalled_s, 1), running=self._started())
        # No way out of Python ends a thread inside llama.cpp, and every orderly one would wait for it.
        os._exit(STALLED_STATUS)


class Health:
    """Follows the worker from the load of its model to its end."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.watchdog: Watchdog | None = None
        """Set once there is a model to watch."""
        self.is_stopping = False

    def hindrance(self) -> str | None:
        """Why no job would be answered, in one sentence; None when nothing hinders."""
        if self.is_stopping:
            return "The worker is stopping."
        if self.watchdog is None:
            return "The model is being loaded."
        if not self._bus.is_connected:
            return "The bus is not connected."
        return self.watchdog.hindrance(time.monotonic())
