"""`docqa bench scale`: whether more workers answer more, and nothing is lost while a cluster's servers die one by one.

Three nats-servers with a copy of all data on each, and one, two and three workers. The fake engine takes a fixed time
per job: the system around it is measured.
"""

import asyncio
import time
from typing import Any, Final

import click
import msgspec

from bench.cli import Shared, execute, shared_options
from bench.harness import ledger, machine, promises
from bench.harness.clock import Clock
from bench.harness.entry_points import BusEntryPoint
from bench.harness.ledger import BusStore, Ledger
from bench.harness.promises import Promise
from bench.harness.query import Query
from bench.harness.workload import load
from bench.targets.cluster import SERVERS, Cluster, clustered, workers
from bench.targets.processes import folder
from contract import topology
from contract.bus import Bus, api
from contract.errors import BusError

FOLLOWS: Final = 2.7
"""Three workers answer at least this many times as much as one."""
_QUEUE: Final = 20_000
_PUBLISHERS: Final = 16
_WINDOWS_S: Final = (10.0, 5.0)
_DOWN_S: Final = (8.0, 2.0)
"""For a full run, and for a quick one."""
_SETTLES_WITHIN_S: Final = 120.0


class Step(msgspec.Struct, frozen=True):
    """The throughput of a number of workers."""

    workers: int
    answered_per_s: float
    possible_per_s: float


@click.command("scale")
@click.option("--slots", type=click.IntRange(1), default=4, show_default=True, help="Slots per worker.")
@click.option(
    "--delay", "delay_s", type=click.FloatRange(0.01), default=0.5, show_default=True, help="Seconds per job."
)
@shared_options
def command(shared: Shared, slots: int, delay_s: float) -> None:
    """Run one, two and three workers on a cluster of three servers, which are killed one by one."""
    execute(shared, measure(slots, delay_s, quick=shared.quick))


async def measure(slots: int, delay_s: float, *, quick: bool) -> dict[str, Any]:
    """The result."""
    async with folder() as work, clustered(work, _QUEUE) as cluster, cluster.bus() as bus:
        load_ = ClusterLoad(bus)
        steps = []
        for count in range(1, SERVERS + 1):
            async with workers(work, cluster, count, slots, delay_s):
                steps.append(await _throughput(load_, count, count * slots / delay_s, _WINDOWS_S[quick]))
        async with workers(work, cluster, SERVERS, slots, delay_s):
            await _kill_one_by_one(cluster, load_, SERVERS * slots / delay_s, _DOWN_S[quick])
            found = await ledger.settle(load_.queries, BusStore(bus), _SETTLES_WITHIN_S)
    return _result(load_, found, steps)


class ClusterLoad:
    """Publishes jobs to the stream and keeps them for the ledger."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.clock = Clock()
        self.queries: list[Query] = []
        self.marks: list[dict[str, Any]] = []
        self._entry_point = BusEntryPoint(bus)
        self._workload = load(None, 16)

    async def publish(self) -> None:
        query = self._entry_point.new(len(self.queries), self.clock.now_s())
        self.queries.append(query)
        await self._entry_point.ask(query, self._workload.body(query.number), self.clock)

    async def publish_many(self, count: int) -> None:
        left = iter(range(count))

        async def publisher() -> None:
            for _ in left:
                await self.publish()

        await asyncio.gather(*(publisher() for _ in range(_PUBLISHERS)))

    async def publish_steadily(self, per_s: float) -> None:
        """Publish until cancelled; a started publish is completed."""
        while True:
            await asyncio.shield(asyncio.ensure_future(self.publish()))
            await asyncio.sleep(1 / per_s)

    async def answered(self) -> int:
        """The number of results; raises BusError."""
        return int((await self.bus.js.stream_info(api.bucket_stream(topology.RESULTS_BUCKET))).state.messages)

    def mark(self, what: str) -> None:
        self.marks.append({"at_s": round(self.clock.now_s(), 3), "what": what})


async def _throughput(load_: ClusterLoad, count: int, possible_per_s: float, window_s: float) -> Step:
    """Answers per second, counted while the workers are saturated."""
    load_.mark(f"{count} workers")
    before = await load_.answered()
    await load_.publish_many(int(possible_per_s * (window_s + 4)))
    while await load_.answered() == before:
        await asyncio.sleep(0.05)
    first, began_s = await load_.answered(), time.monotonic()
    await asyncio.sleep(window_s)
    last, ended_s = await load_.answered(), time.monotonic()
    while (await load_.bus.queue_state()).depth:
        await asyncio.sleep(0.1)
    return Step(count, round((last - first) / (ended_s - began_s), 2), round(possible_per_s, 2))


async def _kill_one_by_one(cluster: Cluster, load_: ClusterLoad, possible_per_s: float, down_s: float) -> None:
    """Kill each server in turn at half of the possible load; the next one when it has caught up."""
    publishing = asyncio.create_task(load_.publish_steadily(possible_per_s / 2))
    for number in range(SERVERS):
        load_.mark(f"server {number} killed")
        await cluster.kill_server(number)
        await asyncio.sleep(down_s)
        await cluster.start_server(number)
        await cluster.until_healthy(number)
        load_.mark(f"server {number} is back")
    await asyncio.sleep(1)
    publishing.cancel()
    await asyncio.gather(publishing, return_exceptions=True)
    await until_answering(load_)


async def until_answering(load_: ClusterLoad) -> None:
    """Wait until the bus answers: the last server's return may still change the leader."""
    while True:
        try:
            await load_.bus.queue_state()
            return
        except BusError:
            await asyncio.sleep(0.2)


def _result(load_: ClusterLoad, found: Ledger, steps: list[Step]) -> dict[str, Any]:
    rates = {step.workers: step.answered_per_s for step in steps}
    ratio = rates[SERVERS] / rates[1] if rates[1] else 0.0
    rates_text = ", ".join(f"{step.workers}: {step.answered_per_s}/s of {step.possible_per_s}" for step in steps)
    follows = Promise(
        "Throughput follows the workers", ratio >= FOLLOWS, f"{ratio:.2f} times with three ({rates_text}).", is_bar=True
    )
    verdict = [promises.nothing_lost(found), promises.nothing_twice(found), follows]
    refused = sum(bool(query.refusals) or query.was_uncertain for query in load_.queries)
    return {
        "benchmark": "scale",
        "measured": load_.clock.started_at,
        "promises": msgspec.to_builtins(verdict),
        "ledger": found.summary(),
        "figures": {
            "three_workers_to_one": round(ratio, 3),
            "steps": msgspec.to_builtins(steps),
            "servers_killed": SERVERS,
            "refused_or_unsure": refused,
        },
        "marks": load_.marks,
        "machine": machine.describe(),
    }
