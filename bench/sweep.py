"""`docqa bench sweep`: arrivals from light to past saturation; where the knee is, and what is left of goodput past it.

One system, one rate after the other, with a pause in which it drains: the rates don't blur into each other.
"""

import asyncio
from typing import Any, Final

import click
import msgspec

from bench import arrivals
from bench.latency import Latencies
from bench.ledger import Ledger
from bench.promises import Promise
from bench.run import Run, usual_verdict
from bench.shared import Load, Shared, Verdict, delay_range, drive, execute, shared_options
from bench.stack import StackOptions

GOODPUT_PAST_KNEE: Final = 0.95
AT_THE_KNEE: Final = 0.98
"""Below the knee this share of arrivals is answered."""
SHARES: Final = (0.25, 0.5, 0.7, 0.85, 1.0, 1.25, 1.6, 2.0, 3.0)
QUICK_SHARES: Final = (0.5, 0.9, 1.5, 3.0)


class Step(msgspec.Struct, frozen=True):
    """What one rate gave. Rates are queries a second."""

    rate: float
    arrived: float
    goodput: float
    refused: float
    p50_ms: float
    p99_ms: float


@click.command("sweep")
@click.option("--capacity", type=click.FloatRange(0.01), help="Jobs a second that can be done. [default: measured]")
@click.option("--each", "each_s", type=click.FloatRange(1), default=20.0, show_default=True, help="Seconds a rate.")
@click.option("--engine", type=click.Choice(["echo", "llama"]), default="echo", show_default=True)
@click.option("--queue-size", type=click.IntRange(1), default=16, show_default=True, help="Of the stack of its own.")
@click.option("--slots", type=click.IntRange(1), default=8, show_default=True, help="Of the stack of its own.")
@click.option("--delay", default="0.2", show_default=True, help="Seconds that a job takes in the echo engine.")
@shared_options
def command(
    shared: Shared, capacity: float | None, each_s: float, engine: Any, queue_size: int, slots: int, delay: str
) -> None:
    """Rates from light to past saturation."""
    delays_s = delay_range(delay) if engine == "echo" else (0.0,)
    stack = StackOptions(
        engine=engine, delays_s=delays_s, queue_size=queue_size, slots=slots, environment=shared.environment()
    )
    shares, each_s = (QUICK_SHARES, min(each_s, 6.0)) if shared.quick else (SHARES, each_s)
    load = _load(capacity, shares, each_s, 2 * slots)
    execute(shared, drive("sweep", shared, shared.run_options(), stack, load, _verdict(min(delays_s))))


def _load(capacity: float | None, shares: tuple[float, ...], each_s: float, clients: int) -> Load:
    async def load(run: Run) -> dict[str, Any]:
        capacity_per_s = capacity or await _measured_capacity(run, clients, each_s)
        steps = []
        for share in shares:
            steps.append(await _one_rate(run, capacity_per_s * share, each_s))
            await asyncio.sleep(1)
        return {"capacity_per_s": round(capacity_per_s, 2), "steps": msgspec.to_builtins(steps), **_knee(steps)}

    return load


async def _measured_capacity(run: Run, clients: int, for_s: float) -> float:
    """Answers a second with as many clients as keep every slot busy; the last of its queries aren't waited for."""
    run.mark("measuring the capacity")
    until_s, number = run.clock.now_s() + for_s / 2, 0

    async def client() -> None:
        nonlocal number
        while run.clock.now_s() < until_s:
            number += 1
            await run.send(number - 1, run.clock.now_s())

    began_s = run.clock.now_s()
    await asyncio.gather(*(client() for _ in range(clients)))
    answered = sum(query.status == 200 for query in run.queries)
    return max(answered / (run.clock.now_s() - began_s), 0.1)


async def _one_rate(run: Run, rate: float, for_s: float) -> Step:
    run.mark(f"{rate:.3g}/s")
    first, began_s = len(run.queries), run.clock.now_s()
    await arrivals.open_loop(arrivals.poisson(rate, for_s, run.rng), run.send, run.clock, first=first)
    queries = run.queries[first:]
    answered = [query for query in queries if query.status == 200]
    # What was asked near the end is answered after it: counted over the time in which answers came.
    seconds = max([query.ended_s for query in answered] + [began_s + for_s]) - began_s
    took = Latencies(query.latency_s for query in answered)
    return Step(
        rate=round(rate, 3),
        arrived=round(len(queries) / for_s, 3),
        goodput=round(len(answered) / seconds, 3),
        refused=round(sum(bool(query.refusals) for query in queries) / max(len(queries), 1), 4),
        p50_ms=took.percentile_ms(50),
        p99_ms=took.percentile_ms(99),
    )


def _knee(steps: list[Step]) -> dict[str, Any]:
    """The highest rate at which nearly all is answered, the most answers, and the least of those past saturation."""
    whole = [step for step in steps if step.refused <= 1 - AT_THE_KNEE]
    knee = max(whole, key=lambda step: step.rate, default=steps[0])
    peak = max(steps, key=lambda step: step.goodput)
    # Past saturation is where more arrives than was ever answered: the peak itself may be anywhere there.
    past = [step.goodput / peak.goodput for step in steps if step.arrived > peak.goodput > 0]
    return {"knee_per_s": knee.rate, "peak_per_s": peak.goodput, "kept_past_peak": round(min(past, default=0.0), 4)}


def _verdict(job_s: float) -> Verdict:
    def verdict(run: Run, found: Ledger, figures: dict[str, Any]) -> list[Promise]:
        kept = figures.get("kept_past_peak", 0.0)
        words = f"Past saturation the least goodput was {kept:.1%} of the peak, {figures.get('peak_per_s')}/s."
        past = Promise("Goodput stays past saturation", kept >= GOODPUT_PAST_KNEE, words, is_bar=True)
        return [*usual_verdict(run, found, job_s), past]

    return verdict
