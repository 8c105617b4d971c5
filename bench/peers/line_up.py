"""Who takes part in the comparison, how each is started, and how they take turns.

Each system runs alone, and the rounds go by turns, so that a machine that slows down does so for all.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import click
import msgspec
import psutil

from bench.harness.errors import BenchError
from bench.peers import system as contender
from bench.peers.system import Contender

OURS: Final = "docqa"
AS_IS: Final = "docqa as-is"
"""Ours on the file as it was given, without what the tuning found."""
LLAMA_SERVER: Final = "llama-server"
LLAMA_CPP_SERVER: Final = "llama_cpp.server"
OTHERS: Final = (AS_IS, LLAMA_SERVER, LLAMA_CPP_SERVER)
QUEUE_SIZE: Final = 64
"""Room for all that is in flight: what a full queue does is measured by the burst."""
LOOKED_FOR_S: Final = 1.0

Play = Callable[[Contender, int], Awaitable[dict[str, Any]]]


class Played(msgspec.Struct, frozen=True):
    """What each system's rounds gave, and who was left out for which reason."""

    rounds: dict[str, list[dict[str, Any]]]
    left_out: dict[str, str]


class LineUp:
    """The systems that were asked for, all with one model."""

    def __init__(self, model: Path, python: Path, slots: int, others: tuple[str, ...]) -> None:
        self.model, self.python, self.slots = model, python, slots
        self._others = others
        self.others_busy: list[float] = []
        """The share of the processors that was taken before each start, while nothing of this comparison ran."""

    def among(self, *names: str) -> list[str]:
        """Ours, and those of `names` that were asked for."""
        return [OURS, *(name for name in names if name in self._others)]

    @contextlib.asynccontextmanager
    async def started(self, name: str, **environment: str) -> AsyncIterator[Contender]:
        """A fresh one that has answered its first question."""
        async with self._start(name, environment) as system:
            await system.warm_up()
            yield system

    async def by_turns(self, title: str, names: list[str], rounds: int, play: Play, **environment: str) -> Played:
        """So many rounds of each, a fresh start every time; the first of a round is another one each time."""
        played = Played({}, {})
        for number in range(rounds):
            first = number % len(names)
            for name in [*names[first:], *names[:first]]:
                if name not in played.left_out:
                    await self._play(
                        f"{title}, round {number + 1} of {rounds}", name, number, play, played, environment
                    )
        return played

    async def _play(
        self, title: str, name: str, number: int, play: Play, played: Played, environment: dict[str, str]
    ) -> None:
        self.others_busy.append(await asyncio.to_thread(psutil.cpu_percent, LOOKED_FOR_S) / 100)
        began_s = time.monotonic()
        try:
            async with self.started(name, **environment) as system:
                seen = await play(system, number)
            played.rounds.setdefault(name, []).append(seen)
        except BenchError as error:
            # Of a start that failed the log comes along: its last line is the reason.
            played.left_out[name] = str(error).strip().splitlines()[-1]
        words = played.left_out.get(name, f"{time.monotonic() - began_s:.0f} s")
        click.echo(f"{title}: {name}: {words}", err=True)

    def _start(self, name: str, environment: dict[str, str]) -> contextlib.AbstractAsyncContextManager[Contender]:
        if name not in (OURS, AS_IS):
            return contender.peer(name, self.python, self.model, self.slots)
        settings = {"MODEL_QUANTIZATION": "as-is" if name == AS_IS else "auto", "DOCQA_SLOTS": str(self.slots)}
        settings |= {"MAX_QUEUE_SIZE": str(QUEUE_SIZE), **environment}
        slots, queue_size = int(settings.pop("DOCQA_SLOTS")), int(settings.pop("MAX_QUEUE_SIZE"))
        return contender.ours(name, self.model, slots, queue_size, **settings)
