"""Arrival rates one after another: the results of each, the capacity, and the knee."""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from bench.harness import arrivals
from bench.harness.latency import Latencies
from bench.harness.query import Query
from bench.harness.run import Run

AT_THE_KNEE: Final = 0.98
"""Below the knee at least this share of arrivals is answered."""
KEEPS_UP: Final = 0.9
"""Goodput below arrivals means the queue is filling; a rate counts for the knee only if it keeps up."""
SATURATED: Final = 1.2
"""Arrivals relative to the peak goodput that count as past saturation. Closer to the peak, a short queue sometimes
leaves slots idle: by Erlang's formula for 8 slots and 8 queue slots, a twelfth is refused at exactly the capacity, and
that is not a cost of refusing."""
RAMP_SHARE: Final = 0.15
"""The first part of a rate fills the queue and is not counted; neither is the draining at its end."""


class Step(msgspec.Struct, frozen=True):
    """The results of one rate. Rates are queries per second."""

    rate: float
    arrived: float
    goodput: float
    refused: float
    p50_ms: float
    p99_ms: float


async def measured_capacity(run: Run, clients: int, for_s: float) -> float:
    """Answers per second with enough clients to keep every slot busy, after the ramp."""
    run.mark("measuring the capacity")
    began_s, number = run.clock.now_s(), len(run.queries)
    first = number

    async def client() -> None:
        nonlocal number
        while run.clock.now_s() < began_s + for_s:
            number += 1
            await run.send(number - 1, run.clock.now_s())

    await asyncio.gather(*(client() for _ in range(clients)))
    return max(steady_per_s(run.queries[first:], began_s, for_s), 0.1)


async def one_rate(run: Run, rate: float, for_s: float) -> Step:
    """Poisson arrivals at one rate, until the last query has ended."""
    run.mark(f"{rate:.3g}/s")
    first, began_s = len(run.queries), run.clock.now_s()
    await arrivals.open_loop(arrivals.poisson(rate, for_s, run.rng), run.send, run.clock, first=first)
    queries = run.queries[first:]
    took = Latencies(query.latency_s for query in queries if query.status == 200)
    return Step(
        rate=round(rate, 3),
        arrived=round(len(queries) / for_s, 3),
        goodput=round(steady_per_s(queries, began_s, for_s), 3),
        refused=round(sum(bool(query.refusals) for query in queries) / max(len(queries), 1), 4),
        p50_ms=took.percentile_ms(50),
        p99_ms=took.percentile_ms(99),
    )


def knee_of(steps: list[Step]) -> dict[str, Any]:
    """The highest rate at which nearly all is answered, the peak goodput, and the lowest goodput past saturation."""
    whole = [step for step in steps if step.refused <= 1 - AT_THE_KNEE and step.goodput >= KEEPS_UP * step.arrived]
    knee = max(whole, key=lambda step: step.rate, default=steps[0])
    peak = max(steps, key=lambda step: step.goodput)
    past = [step.goodput / peak.goodput for step in steps if step.arrived >= SATURATED * peak.goodput > 0]
    kept = {"kept_past_peak": round(min(past), 4)} if past else {}
    return {"knee_per_s": knee.rate, "peak_per_s": peak.goodput, **kept}


def steady_per_s(queries: Iterable[Query], began_s: float, for_s: float) -> float:
    """Answers per second between the ramp and the end of the arrivals, whenever their queries arrived."""
    from_s, until_s = began_s + RAMP_SHARE * for_s, began_s + for_s
    return sum(query.status == 200 and from_s <= query.ended_s < until_s for query in queries) / (until_s - from_s)
