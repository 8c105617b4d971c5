"""Rates of arrivals, one after the other: what each gave, how much can be done at all, and where the knee is."""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from bench.harness import arrivals
from bench.harness.latency import Latencies
from bench.harness.query import Query
from bench.harness.run import Run

AT_THE_KNEE: Final = 0.98
"""Below the knee this share of arrivals is answered."""
KEEPS_UP: Final = 0.9
"""Where fewer are answered than come, the queue fills: that nobody is refused yet is only a matter of time."""
SATURATED: Final = 1.2
"""Past saturation so many times as many arrive as were ever answered. Nearer to it chance leaves slots idle now and
then, since the queue is short: by Erlang's formula for 8 slots and 8 places a twelfth is refused and not made up for at
exactly the capacity. That is no cost of refusing."""
RAMP_SHARE: Final = 0.15
"""The first part of a rate fills the queue, and counts for nothing; nor does the draining at its end."""


class Step(msgspec.Struct, frozen=True):
    """What one rate gave. Rates are queries a second."""

    rate: float
    arrived: float
    goodput: float
    refused: float
    p50_ms: float
    p99_ms: float


async def measured_capacity(run: Run, clients: int, for_s: float) -> float:
    """Answers a second with as many clients as keep every slot busy, after the ramp."""
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
    """Poisson arrivals at one rate, waited for until the last one has ended."""
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
    """The highest rate at which nearly all is answered, the most answers, and the least of those past saturation."""
    whole = [step for step in steps if step.refused <= 1 - AT_THE_KNEE and step.goodput >= KEEPS_UP * step.arrived]
    knee = max(whole, key=lambda step: step.rate, default=steps[0])
    peak = max(steps, key=lambda step: step.goodput)
    past = [step.goodput / peak.goodput for step in steps if step.arrived >= SATURATED * peak.goodput > 0]
    kept = {"kept_past_peak": round(min(past), 4)} if past else {}
    return {"knee_per_s": knee.rate, "peak_per_s": peak.goodput, **kept}


def steady_per_s(queries: Iterable[Query], began_s: float, for_s: float) -> float:
    """Answers a second between the ramp and the end of the arrivals, whenever their queries came."""
    from_s, until_s = began_s + RAMP_SHARE * for_s, began_s + for_s
    return sum(query.status == 200 and from_s <= query.ended_s < until_s for query in queries) / (until_s - from_s)
