"""Ends the process when the model completes no steps, or its file was replaced: its jobs are delivered again.

Runs on the worker's event loop. A blocked event loop is noticed by the service manager, which then gets no sign of
life, and at /health/ready.
"""

import asyncio
import os
import time
from collections.abc import Callable
from typing import Final

import structlog

from contract.bus import Bus
from contract.errors import EngineBlockedError
from contract.runtime.systemd import Notifier
from inference_worker.engines.base import Engine

log = structlog.get_logger(__name__)


STALLED_STATUS: Final = 70
"""The process's exit status; sysexits.h calls it an internal software error, and nothing else here ends with it."""

_PERIOD_S: Final = 1.0
_CHECKS_PER_LIMIT: Final = 4
"""The least number of checks within the limit."""


class Watchdog:
    """Checks every second how long the engine has had work without completing a step."""

    def __init__(self, engine: Engine, started: Callable[[], list[str]], limit_s: float, notifier: Notifier) -> None:
        """`started` returns the running jobs' names, for the log."""
        self._engine = engine
        self._started = started
        self._limit_s = limit_s
        self._notifier = notifier
        self._period_s = min(_PERIOD_S, limit_s / _CHECKS_PER_LIMIT, notifier.watchdog_s / 2)
        self._checked_s = self._awake_s = time.monotonic()

    async def run(self) -> None:
        """Check until cancelled; raises EngineBlockedError when the engine must be started again."""
        while True:
            self.check(time.monotonic())
            if blocker := self._engine.blocker:
                raise EngineBlockedError(blocker)
            await asyncio.sleep(self._period_s)

    def check(self, now_s: float) -> None:
        """End the process if it stalled, else send the service manager its sign of life."""
        if now_s - self._checked_s > self._limit_s / 2:
            # The whole process was stopped (SIGSTOP, a frozen container), and the engine with it.
            self._awake_s = now_s
        self._checked_s = now_s
        # The next check would be too late.
        if self._stalled_s(now_s) > self._limit_s - self._period_s:
            self._end(self._stalled_s(now_s))
        self._notifier.alive()

    def not_ready_reason(self, now_s: float) -> str | None:
        """What stalls, in one sentence, well before the limit; None when nothing does. For any thread."""
        if (stalled_s := self._stalled_s(now_s)) > self._limit_s / 2:
            return f"The model has completed no step for {stalled_s:.0f} s."
        if (late_s := now_s - self._checked_s) > self._limit_s / 2:
            return f"The worker's event loop has been blocked for {late_s:.0f} s."
        return None

    def _stalled_s(self, now_s: float) -> float:
        return min(self._engine.stalled_s, now_s - self._awake_s)

    def _end(self, stalled_s: float) -> None:
        log.error(
            "the model completes no steps: ending the process", stalled_s=round(stalled_s, 1), running=self._started()
        )
        # Python can't end a thread inside llama.cpp, and any orderly exit would wait for it.
        os._exit(STALLED_STATUS)


class Health:
    """The worker's readiness, from the load of its model to its end."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.watchdog: Watchdog | None = None
        """Set once the model is loaded."""
        self.is_stopping = False

    def not_ready_reason(self) -> str | None:
        """Why no job would be answered, in one sentence; None when it is ready. For any thread."""
        if self.is_stopping:
            return "The worker is stopping."
        if self.watchdog is None:
            return "The model is being loaded."
        if not self._bus.is_connected:
            return "The bus is not connected."
        return self.watchdog.not_ready_reason(time.monotonic())
