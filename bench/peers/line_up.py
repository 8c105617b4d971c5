"""Which systems take part in the comparison, how each is started, and how they alternate.

Each system runs alone, and rounds alternate between systems, so that a slower machine affects all.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil

from bench.harness.errors import BenchError
from bench.peers import system
from bench.peers.system import System
from contract.runtime.terminal import echo

OURS: Final = "docqa"
AS_IS: Final = "docqa as-is"
"""Ours on the source file, without tuning."""
LLAMA_SERVER: Final = "llama-server"
"""Of a wheel, which is compiled for AVX2."""
NATIVE: Final = "llama-server-native"
"""The same program compiled on this machine."""
LLAMA_CPP_SERVER: Final = "llama_cpp.server"
OTHERS: Final = (AS_IS, NATIVE, LLAMA_SERVER, LLAMA_CPP_SERVER)
QUEUE_SIZE: Final = 64
"""Room for all questions in flight: the burst measures what a full queue does."""
MEASURED_FOR_S: Final = 1.0

Play = Callable[[System, int], Awaitable[dict[str, Any]]]


class Played(msgspec.Struct, frozen=True):
    """The rounds of each system, and the systems that were left out with the reason."""

    rounds: dict[str, list[dict[str, Any]]]
    left_out: dict[str, str]


class LineUp:
    """The requested systems, all with one model."""

    def __init__(self, model: Path, python: Path, slots: int, others: tuple[str, ...]) -> None:
        self.model, self.python, self.slots = model, python, slots
        self._others = others
        self.others_busy: list[float] = []
        """The share of the processors in use before each start, while nothing of this comparison ran."""

    def among(self, *names: str) -> list[str]:
        """Ours, and the requested ones of `names`."""
        return [OURS, *(name for name in names if name in self._others)]

    @contextlib.asynccontextmanager
    async def started(self, name: str, **environment: str) -> AsyncIterator[System]:
        """A fresh system that has answered its first question."""
        async with self._start(name, environment) as running:
            await running.warm_up()
            yield running

    async def by_turns(self, title: str, names: list[str], rounds: int, play: Play, **environment: str) -> Played:
        """Run `rounds` rounds of each system, each from a fresh start; each round begins with another system."""
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
        self.others_busy.append(await asyncio.to_thread(psutil.cpu_percent, MEASURED_FOR_S) / 100)
        began_s = time.monotonic()
        try:
            async with self.started(name, **environment) as running:
                seen = await play(running, number)
            played.rounds.setdefault(name, []).append(seen)
        except BenchError as error:
            # The error of a failed start includes its log, whose last line is the reason.
            played.left_out[name] = str(error).strip().splitlines()[-1]
        words = played.left_out.get(name, f"{time.monotonic() - began_s:.0f} s")
        echo(f"{title}: {name}: {words}", err=True)

    def _start(self, name: str, environment: dict[str, str]) -> contextlib.AbstractAsyncContextManager[System]:
        if name not in (OURS, AS_IS):
            return system.peer(name, self.python, self.model, self.slots)
        settings = {"MODEL_QUANTIZATION": "as-is" if name == AS_IS else "auto", "DOCQA_SLOTS": str(self.slots)}
        settings |= {"MAX_QUEUE_SIZE": str(QUEUE_SIZE), **environment}
        slots, queue_size = int(settings.pop("DOCQA_SLOTS")), int(settings.pop("MAX_QUEUE_SIZE"))
        return system.ours(name, self.model, slots, queue_size, **settings)
