"""A part of the system that `docqa` starts and keeps alive: started until ready, restarted when it dies.

Knows how long to wait between starts; what a part is, and when it is ready, its `launch` knows.
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
"""What lives so long does not fall over at its start: it is waited for half as long the next time."""
_TRIES_TO_START: Final = 3
_HURRIES_WITHIN_S: Final = 5.0


class StartError(DocQAError):
    """A part did not start."""

    def __init__(self, sentence: str, *, final: bool = False) -> None:
        super().__init__(sentence)
        self.final = final
        """Starting it again the same way would end the same way."""


class Part(Protocol):
    """What is kept alive."""

    @property
    def name(self) -> str: ...

    async def launch(self) -> Child:
        """Start the process and return when it is ready; raises StartError, with no process left."""

    async def ended(self, child: Child) -> str:
        """Wait for the process's end, or end it once it is of no use any more; how it ended, in words."""


class Keeper:
    """Keeps one part alive from `start` to `stop`."""

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
        """False between two starts."""
        return self.child is not None and self.child.returncode is None

    @property
    def task(self) -> asyncio.Task[None]:
        """The keeping itself; raises RuntimeError before `start`."""
        if self._started is None:
            raise RuntimeError(f"{self._part.name} was not started")
        return self._started

    async def start(self) -> None:
        """Start it for the first time; raises StartError when it is pointless to go on."""
        child = self.child = await self._first_launch()
        self._started = asyncio.create_task(self._keep(child), name=f"keep {self._part.name}")

    def hurry(self) -> None:
        """A second SIGTERM: what drains gives back at once, or is ended."""
        if self.child:
            self.child.signal(signal.SIGTERM)
            asyncio.get_running_loop().call_later(_HURRIES_WITHIN_S, self.child.signal, signal.SIGKILL)

    async def stop(self, grace_s: float) -> None:
        """End the keeping, then the process."""
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
            await self._pause(lived_s=0)
        return await self._part.launch()

    async def _keep(self, child: Child) -> None:
        while True:
            started = time.monotonic()
            ending = await self._part.ended(child)
            self._console.warn(f"{self._part.name} {ending}: starting it again.")
            child = self.child = await self._restart(time.monotonic() - started)
            self._console.say(f"{self._part.name} is back (process {child.pid}).")
            self._tell()

    def _tell(self) -> None:
        try:
            self._on_restart()
        except OSError as error:
            # A full disk must not end the keeping.
            self._console.warn(f"Nobody can be told that {self._part.name} is back: {error.strerror}.")

    async def _restart(self, lived_s: float) -> Child:
        last_words = ""
        while True:
            await self._pause(lived_s)
            started = time.monotonic()
            try:
                return await self._part.launch()
            except (DocQAError, OSError) as error:
                # A full disk may take hours to mend: one line is enough.
                if last_words != str(error):
                    self._console.warn(last_words := str(error))
            lived_s = time.monotonic() - started

    async def _pause(self, lived_s: float) -> None:
        self._pause_s = pause_after(self._pause_s, lived_s)
        await asyncio.sleep(self._pause_s)
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)


def pause_after(pause_s: float, lived_s: float) -> float:
    """How long to wait for the next start of what lived so long, when it would be `pause_s` had it not lived at all."""
    # So many are enough to reach the first pause, and no float overflows.
    halvings = min(lived_s / _HALVES_EVERY_S, _LONGEST_PAUSE_S / _FIRST_PAUSE_S)
    return max(pause_s / 2**halvings, _FIRST_PAUSE_S)


async def watch(*keepers: Keeper) -> None:
    """Does not return; raises what ended a keeping, which nothing should."""
    await asyncio.gather(*(keeper.task for keeper in keepers))


async def until_written(path: Path, child: Child, within_s: float) -> Any:
    """The JSON that a child writes once it is ready; raises StartError when it ends or takes too long."""
    deadline = time.monotonic() + within_s
    while child.returncode is None:
        if (content := _read_json(path)) is not None:
            return content
        if time.monotonic() > deadline:
            raise StartError(f"{child.program.name} was not ready within {within_s:.0f} s: {child.last_words()}")
        await asyncio.sleep(0.01)
    words = child.last_words().removeprefix(f"docqa {child.program.name}: ")
    # Status 2 says that the settings are at fault.
    raise StartError(f"{child.program.name}: {words}", final=child.returncode == 2)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, json.JSONDecodeError):
        # A file that is there may still be half written: then it is read again.
        return None
