"""`docqa bench cluster`: a replicated bus and several workers under faults drawn at random, then the ledger.

Three nats-servers with a copy of all data on each, and three workers of the fake engine. At most one server and one
worker are struck at a time: a majority of the servers is what the copies are for.
"""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from nats.errors import Error as NatsError
from nats.js.errors import APIError

from bench.cli import Shared, execute, shared_options
from bench.commands.scale import ClusterLoad, until_answering
from bench.harness import ledger, machine, promises
from bench.harness.errors import BenchError
from bench.harness.ledger import BusStore, Ledger
from bench.targets.cluster import SERVERS, Cluster, clustered, worker
from bench.targets.processes import Kept, folder
from contract.errors import BusError

_QUEUE: Final = 20_000
_SLOTS: Final = 4
_DOWN_S: Final = (0.2, 3.0)
_BETWEEN_S: Final = (0.2, 1.5)
_RECOVERS_WITHIN_S: Final = 60.0
_SETTLES_WITHIN_S: Final = 180.0
_QUICK_FAULTS: Final = 4


class Struck(msgspec.Struct, frozen=True):
    """One fault, and how long it took until a question that was sent after it was answered."""

    kind: str
    recovered_s: float


@click.command("cluster")
@click.option("--faults", "count", type=click.IntRange(1, 10_000), default=200, show_default=True)
@click.option("--rate", type=click.FloatRange(0.1), default=10.0, show_default=True, help="Questions per second.")
@click.option("--delay", "delay_s", type=click.FloatRange(0.01), default=0.2, show_default=True, help="Seconds a job.")
@shared_options
def command(shared: Shared, count: int, rate: float, delay_s: float) -> None:
    """Kill and pause servers and workers of a cluster at random, under load, then check the ledger."""
    execute(shared, measure(min(count, _QUICK_FAULTS) if shared.quick else count, rate, delay_s, shared.seed))


async def measure(count: int, rate: float, delay_s: float, seed: int) -> dict[str, Any]:
    """The result."""
    draw = random.Random(seed)
    async with (
        folder() as work,
        clustered(work, _QUEUE) as cluster,
        _workers(work, cluster, delay_s) as workers,
        cluster.bus() as bus,
    ):
        load = ClusterLoad(bus)
        publishing = asyncio.create_task(load.publish_steadily(rate))
        try:
            struck = [await _strike(cluster, workers, load, draw) for _ in range(count)]
        finally:
            publishing.cancel()
            await asyncio.gather(publishing, return_exceptions=True)
        await until_answering(load)
        found = await ledger.settle(load.queries, BusStore(bus), _SETTLES_WITHIN_S)
    return _result(load, found, struck)


@contextlib.asynccontextmanager
async def _workers(work: Path, cluster: Cluster, delay_s: float) -> AsyncIterator[list[Kept]]:
    async with contextlib.AsyncExitStack() as started:
        yield [
            await started.enter_async_context(worker(work, cluster, f"worker{number}", _SLOTS, delay_s))
            for number in range(SERVERS)
        ]


async def _strike(cluster: Cluster, workers: list[Kept], load: ClusterLoad, draw: random.Random) -> Struck:
    """One fault of one part, which is undone; then an answer to something new, and a pause."""
    number, down_s = draw.randrange(SERVERS), draw.uniform(*_DOWN_S)
    kinds: dict[str, Callable[[], Awaitable[None]]] = {
        "kill -9 server": lambda: _kill_server(cluster, number, down_s),
        "pause server": lambda: _pause(cluster.pid(number), down_s),
        "kill -9 worker": lambda: _kill_worker(workers[number], down_s),
        "pause worker": lambda: _pause(workers[number].pid, down_s),
    }
    kind = draw.choice(sorted(kinds))
    load.mark(f"{kind} {number}")
    await kinds[kind]()
    began_s = time.monotonic()
    await _answers_again(load)
    recovered_s = round(time.monotonic() - began_s, 3)
    await cluster.until_healthy(number)
    await asyncio.sleep(draw.uniform(*_BETWEEN_S))
    return Struck(kind, recovered_s)


async def _kill_server(cluster: Cluster, number: int, down_s: float) -> None:
    await cluster.kill_server(number)
    await asyncio.sleep(down_s)
    await cluster.start_server(number)


async def _kill_worker(one: Kept, down_s: float) -> None:
    await one.kill()
    await asyncio.sleep(down_s)
    await one.start()


async def _pause(pid: int, down_s: float) -> None:
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(down_s)
    finally:
        os.kill(pid, signal.SIGCONT)


async def _answers_again(load: ClusterLoad) -> None:
    """Until the store has more results than before; raises BenchError."""
    end_s = time.monotonic() + _RECOVERS_WITHIN_S
    before: int | None = None
    while time.monotonic() < end_s:
        with contextlib.suppress(BusError, APIError, NatsError, TimeoutError):
            answered = await load.answered()
            if before is not None and answered > before:
                return
            before = answered if before is None else before
        await asyncio.sleep(0.05)
    raise BenchError(f"Nothing was answered for {_RECOVERS_WITHIN_S:g} s after {load.marks[-1]['what']}.")


def _result(load: ClusterLoad, found: Ledger, struck: list[Struck]) -> dict[str, Any]:
    kinds = sorted({one.kind for one in struck})
    times = {kind: sorted(one.recovered_s for one in struck if one.kind == kind) for kind in kinds}
    verdict = [promises.nothing_lost(found), promises.nothing_twice(found)]
    return {
        "benchmark": "cluster",
        "measured": load.clock.started_at,
        "promises": msgspec.to_builtins(verdict),
        "ledger": found.summary(),
        "figures": {
            "faults": len(struck),
            "recovered_s": {
                kind: {"count": len(all_s), "median": all_s[len(all_s) // 2], "max": all_s[-1]}
                for kind, all_s in times.items()
            },
        },
        "marks": load.marks,
        "machine": machine.describe(),
    }
