"""`docqa bench generator`: measures the load generator itself, against a server that answers at once."""

import resource
import time
from typing import Any, Final

import click
import msgspec

from bench.cli import Shared, execute, shared_options
from bench.harness import arrivals, machine, workload
from bench.harness.clock import Clock
from bench.harness.entry_points import HttpEntryPoint
from bench.harness.latency import Latencies
from bench.harness.promises import Promise
from bench.harness.query import Query
from bench.targets.processes import folder, part

ENOUGH_PER_S: Final = 2000.0
ENOUGH_OF_A_CORE: Final = 0.6


@click.command("generator")
@click.option("--rate", type=click.FloatRange(1), default=2000.0, show_default=True, help="Arrivals per second.")
@click.option(
    "--for", "for_s", type=click.FloatRange(1, 60), default=5.0, show_default=True, help="Duration in seconds."
)
@shared_options
def command(shared: Shared, rate: float, for_s: float) -> None:
    """Measure the speed and cost of the load generator."""
    execute(shared, _measure(rate, for_s))


async def _measure(rate: float, for_s: float) -> dict[str, Any]:
    began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    async with (
        folder() as work,
        part(work, "instant", "-m", "bench.targets.instant_server", "--uds", str(work / "s")) as instant,
    ):
        queries, elapsed_s, cpu_s = await _generate(instant["uds"], rate, for_s)
    answered = [query for query in queries if query.status == 200]
    per_s, core = len(answered) / elapsed_s, cpu_s / elapsed_s
    late = Latencies(query.sent_s - query.planned_s for query in queries)
    return {
        "benchmark": "generator",
        "measured": began,
        "promises": [msgspec.to_builtins(promise) for promise in _verdict(queries, answered, per_s, core)],
        "figures": {
            "rate_per_s": rate,
            "answered_per_s": round(per_s, 1),
            "share_of_a_core": round(core, 3),
            "late_p99_ms": late.percentile_ms(99),
            "elapsed_s": round(elapsed_s, 2),
        },
        "latency": Latencies(query.latency_s for query in answered).summary(),
        "latency_histogram": Latencies(query.latency_s for query in answered).encoded(),
        "refusals": Latencies().summary(),
        "machine": machine.describe(),
    }


async def _generate(uds: str, rate: float, for_s: float) -> tuple[list[Query], float, float]:
    """The queries, the elapsed seconds, and the processor seconds that this process used."""
    clock, entry_point, load, queries = Clock(), HttpEntryPoint(uds, "self"), workload.load(None), list[Query]()

    async def send(number: int, planned_s: float) -> None:
        query = entry_point.new(number, planned_s)
        queries.append(query)
        await entry_point.ask(query, load.body(number), clock)

    cpu_before_s = _cpu_s()
    await arrivals.open_loop(arrivals.evenly(rate, for_s), send, clock)
    return queries, clock.now_s(), _cpu_s() - cpu_before_s


def _cpu_s() -> float:
    spent = resource.getrusage(resource.RUSAGE_SELF)
    return spent.ru_utime + spent.ru_stime


def _verdict(queries: list[Query], answered: list[Query], per_s: float, core: float) -> list[Promise]:
    all_words = f"{len(answered)} of {len(queries)}."
    rate_words = f"{per_s:,.0f} requests a second, open loop."
    return [
        Promise("Every request is answered", len(answered) == len(queries), all_words),
        Promise("2,000 requests a second", per_s >= 0.98 * ENOUGH_PER_S, rate_words, is_bar=True),
        Promise("At most 60% of one core", core <= ENOUGH_OF_A_CORE, f"{core:.0%} of one core.", is_bar=True),
    ]
