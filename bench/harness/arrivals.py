"""When queries are sent. Knows nothing about queries: it calls a function for each, with the planned moment.

Open loop: arrivals do not depend on the system (Poisson or evenly spaced). Closed loop: a number of clients, each of
which sends its next query when the previous one was answered.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Final

from bench.harness.clock import Clock

MAX_IN_FLIGHT: Final = 5000
"""Above this, arrivals wait for others to end; their latency still counts from the planned moment."""

Send = Callable[[int, float], Awaitable[None]]
"""Sends the query with this number, planned for this moment of the run."""


def evenly(per_s: float, for_s: float) -> Iterator[float]:
    """Evenly spaced moments."""
    return (number / per_s for number in range(int(per_s * for_s)))


def poisson(per_s: float, for_s: float, rng: random.Random) -> Iterator[float]:
    """Moments of a Poisson process, like those of many independent clients."""
    at_s = rng.expovariate(per_s)
    while at_s < for_s:
        yield at_s
        at_s += rng.expovariate(per_s)


def bursts(size: int, count: int, every_s: float) -> Iterator[float]:
    """`size` moments at once, `count` times."""
    return (burst * every_s for burst in range(count) for _ in range(size))


async def open_loop(moments: Iterable[float], send: Send, clock: Clock, first: int = 0) -> int:
    """Send at each moment, counted from now, and wait for all; returns the number sent."""
    began_s, count = clock.now_s(), first
    room = asyncio.Semaphore(MAX_IN_FLIGHT)
    async with asyncio.TaskGroup() as group:
        for moment_s in moments:
            planned_s = began_s + moment_s
            if planned_s > clock.now_s():
                await clock.until(planned_s)
            await room.acquire()
            sending = group.create_task(_one(send, count, planned_s))
            sending.add_done_callback(lambda _: room.release())
            count += 1
    return count - first


async def closed_loop(total: int, clients: int, send: Send, clock: Clock, first: int = 0) -> int:
    """Send `total` queries from `clients` clients; returns the number sent."""
    numbers = iter(range(first, first + total))

    async def client() -> None:
        for number in numbers:
            await send(number, clock.now_s())

    async with asyncio.TaskGroup() as group:
        for _ in range(min(clients, total)):
            group.create_task(client())
    return total


async def _one(send: Send, number: int, planned_s: float) -> None:
    await send(number, planned_s)
