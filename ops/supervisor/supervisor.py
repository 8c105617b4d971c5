"""Starts a part of the system, waits until it is ready, and restarts it when it ends.

Knows the delays between restarts; how a part is started and when it is ready is up to its `launch`.
"""

import asyncio
import contextlib
import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

from contract.errors import DocQAError
from ops.console import Console
from ops.supervisor.process import Child

_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0
_HALVES_EVERY_S: Final = 5.0
"""Each 5 s of uptime halves the next restart delay: a part that ran for a while does not fail at its start."""
_TRIES_TO_START: Final = 3
_HURRIES_WITHIN_S: Final = 5.0


class StartError(DocQAError):
    """A part did not start."""

    def __init__(self, sentence: str, *, final: bool = False) -> None:
        super().__init__(sentence)
        self.final = final
        """True if another start would fail in the same way."""


class Part(Protocol):
    """A process that a Supervisor keeps running."""

    @property
    def name(self) -> str: ...

    async def launch(self) -> Child:
        """Start the process and return when it is ready; raises StartError, with no process left."""

    async def ended(self, child: Child) -> str:
        """Wait until the process ends, or stop it when it no longer works; returns a description of how it ended."""


class Supervisor:
    """Keeps one part running from `start` to `stop`."""

    def __init__(self, part: Part, console: Console, on_restart: Callable[[], None] = lambda: None) -> None:
        self._part = part
        self._console = console
        self._on_restart = on_restart
        self._pause_s = _FIRST_PAUSE_S
        self._started: asyncio.Task[None] | None = None
        self.child: Child | None = None

    @property
    def pid(self) -> int | None:
        return self.child.pid if self.child else None

    @property
    def is_up(self) -> bool:
        """False between an exit and the next start."""
        return self.child is not None and self.child.returncode is None

    @property
    def task(self) -> asyncio.Task[None]:
        """The task that restarts the part; raises RuntimeError before `start`."""
        if self._started is None:
            raise RuntimeError(f"{self._part.name} was not started")
        return self._started

    async def start(self) -> None:
        """Start the part for the first time; raises StartError when more attempts would be pointless."""
        child = self.child = await self._first_launch()
        self._started = asyncio.create_task(self._supervise(child), name=f"supervise {self._part.name}")

    def hurry(self) -> None:
        """Send a second SIGTERM, which ends a drain at once, and SIGKILL 5 s later."""
        if self.child:
            self.child.signal(signal.SIGTERM)
            asyncio.get_running_loop().call_later(_HURRIES_WITHIN_S, self.child.signal, signal.SIGKILL)

    async def stop(self, grace_s: float) -> None:
        """Stop supervising, then end the process within `grace_s`."""
        if self._started:
            self._started.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._started
        if self.child:
            await self.child.stop(grace_s)

    async def _first_launch(self) -> Child:
        for _ in range(_TRIES_TO_START - 1):
            try:
                return await self._part.launch()
            except StartError as error:
                if error.final:
                    raise
            await self._pause(uptime_s=0)
        return await self._part.launch()

    async def _supervise(self, child: Child) -> None:
        while True:
            started = time.monotonic()
            ending = await self._part.ended(child)
            self._console.warn(f"{self._part.name} {ending}; restarting it.")
            child = self.child = await self._restart(time.monotonic() - started)
            self._console.say(f"{self._part.name} is running again (process {child.pid}).")
            self._report_restart()

    def _report_restart(self) -> None:
        try:
            self._on_restart()
        except OSError as error:
            # A full disk must not stop the supervision.
            self._console.warn(
                f"The ready file could not be updated after {self._part.name} restarted: {error.strerror}."
            )

    async def _restart(self, uptime_s: float) -> Child:
        last_error = ""
        while True:
            await self._pause(uptime_s)
            started = time.monotonic()
            try:
                return await self._part.launch()
            except (DocQAError, OSError) as error:
                # A full disk may last for hours: report the same error once.
                if last_error != str(error):
                    self._console.warn(last_error := str(error))
            uptime_s = time.monotonic() - started

    async def _pause(self, uptime_s: float) -> None:
        self._pause_s = pause_after(self._pause_s, uptime_s)
        await asyncio.sleep(self._pause_s)
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)


def pause_after(pause_s: float, uptime_s: float) -> float:
    """Seconds until the next start: `pause_s`, halved for each 5 s of uptime, never below the first pause."""
    # This many halvings reach the first pause from the longest one, and no float overflows.
    halvings = min(uptime_s / _HALVES_EVERY_S, _LONGEST_PAUSE_S / _FIRST_PAUSE_S)
    return max(pause_s / 2**halvings, _FIRST_PAUSE_S)


async def watch(*supervisors: Supervisor) -> None:
    """Wait for all supervisors: does not return, and raises the error of one that stopped unexpectedly."""
    await asyncio.gather(*(supervisor.task for supervisor in supervisors))


async def until_written(path: Path, child: Child, within_s: float) -> Any:
    """The JSON that a child writes once it is ready; raises StartError if it exits or takes too long before that."""
    deadline = time.monotonic() + within_s
    while child.returncode is None:
        if (content := _read_json(path)) is not None:
            return content
        if time.monotonic() > deadline:
            raise StartError(f"{child.program.name} was not ready within {within_s:.0f} s: {child.last_log_line()}")
        await asyncio.sleep(0.01)
    line = child.last_log_line().removeprefix(f"docqa {child.program.name}: ")
    # Exit status 2 means invalid settings.
    raise StartError(f"{child.program.name}: {line}", final=child.returncode == 2)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, json.JSONDecodeError):
        # The file may be half written: it is read again.
        return None
