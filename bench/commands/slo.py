"""`docqa bench slo`: 99% of small jobs within 5 s, at 70% of the rate that the real model can sustain.

First the knee is found by increasing arrival rates, then 70% of it is held for some minutes. A refused or failed job
counts as late.
"""

import asyncio
import statistics
from typing import Any, Final

import click
import msgspec

from bench.cli import Load, Shared, Verdict, delay_range, drive, execute, shared_options
from bench.commands.rate_search import knee_of, measured_capacity, one_rate
from bench.harness import arrivals
from bench.harness.latency import Latencies
from bench.harness.ledger import Ledger
from bench.harness.promises import Promise
from bench.harness.query import Query
from bench.harness.run import Run, usual_verdict
from bench.targets.stack import StackOptions

WITHIN_S: Final = 5.0
OBJECTIVE: Final = 0.99
SHARE_OF_KNEE: Final = 0.7
SMALL_UNCACHED_TOKENS: Final = 512
SMALL_ANSWER_TOKENS: Final = 64
SHARES: Final = (0.5, 0.7, 0.85, 1.0, 1.2)
_NAME: Final = "99% of small jobs within 5 s"
QUICK_SHARES: Final = (0.6, 1.0)
QUICK_EACH_S: Final = 6.0
QUICK_HOLD_S: Final = 12.0


@click.command("slo")
@click.option("--each", "each_s", type=click.FloatRange(1), default=30.0, show_default=True, help="Seconds per rate.")
@click.option(
    "--minutes", type=click.FloatRange(0.1), default=2.0, show_default=True, help="Minutes at 70% of the knee."
)
@click.option("--rate", type=click.FloatRange(0.01), help="Rate to hold. [default: 70% of the measured knee]")
@click.option("--engine", type=click.Choice(["echo", "llama"]), default="llama", show_default=True)
@click.option("--queue-size", type=click.IntRange(1), default=16, show_default=True, help="For a started stack.")
@click.option("--slots", type=click.IntRange(1), default=8, show_default=True, help="For a started stack.")
@click.option("--delay", default="0.2", show_default=True, help="Seconds per job of the echo engine.")
@shared_options
def command(
    shared: Shared, each_s: float, minutes: float, rate: float | None, engine: Any, queue_size: int, slots: int,
    delay: str,
) -> None:  # fmt: skip
    """Check that small jobs take less than 5 s at 70% of the knee."""
    delays_s = delay_range(delay) if engine == "echo" else (0.0,)
    stack = StackOptions(
        engine=engine, delays_s=delays_s, queue_size=queue_size, slots=slots, environment=shared.environment()
    )
    shares, hold_s = QUICK_SHARES if shared.quick else SHARES, minutes * 60
    if shared.quick:
        each_s, hold_s = min(each_s, QUICK_EACH_S), min(hold_s, QUICK_HOLD_S)
    options = shared.run_options(max_tokens=SMALL_ANSWER_TOKENS)
    load = _load(rate, shares, each_s, hold_s, 2 * slots)
    execute(shared, drive("slo", shared, options, stack, load, _verdict(min(delays_s))))


def _load(rate: float | None, shares: tuple[float, ...], each_s: float, hold_s: float, clients: int) -> Load:
    async def load(run: Run) -> dict[str, Any]:
        found = {} if rate else await _knee(run, shares, each_s, clients)
        held_per_s = rate or SHARE_OF_KNEE * found["knee_per_s"]
        run.mark(f"{held_per_s:.3g}/s held")
        first = len(run.queries)
        await arrivals.open_loop(arrivals.poisson(held_per_s, hold_s, run.rng), run.send, run.clock, first=first)
        held = summarized(run.queries[first:], held_per_s, hold_s)
        return {**found, "held_per_s": held["rate_per_s"], "within_5s_share": held["within_5s"], "held": held}

    return load


async def _knee(run: Run, shares: tuple[float, ...], each_s: float, clients: int) -> dict[str, Any]:
    capacity_per_s = await measured_capacity(run, clients, each_s)
    steps = []
    for share in shares:
        steps.append(await one_rate(run, capacity_per_s * share, each_s))
        await asyncio.sleep(1)
    return {"capacity_per_s": round(capacity_per_s, 2), "steps": msgspec.to_builtins(steps), **knee_of(steps)}


def summarized(queries: list[Query], rate: float, for_s: float) -> dict[str, Any]:
    """The results of the queries that the objective applies to."""
    answered = [query for query in queries if query.status == 200]
    uncached = [query.uncached_tokens for query in answered]
    in_time = sum(query.latency_s <= WITHIN_S for query in answered)
    return {
        "rate_per_s": round(rate, 3),
        "seconds": for_s,
        "asked": len(queries),
        "not_answered": len(queries) - len(answered),
        "within_5s": round(in_time / max(len(queries), 1), 4),
        "latency": Latencies(query.latency_s for query in answered).summary(),
        "uncached_tokens": {"median": statistics.median(uncached or [0]), "max": max(uncached, default=0)},
        "answer_tokens_max": max((query.tokens for query in answered), default=0),
    }


def _verdict(job_s: float) -> Verdict:
    def verdict(run: Run, found: Ledger, figures: dict[str, Any]) -> list[Promise]:
        return [*usual_verdict(run, found, job_s), *objective(figures.get("held"))]

    return verdict


def objective(held: dict[str, Any] | None) -> list[Promise]:
    """Whether the objective was reached, and whether the jobs were small enough for it."""
    if held is None:
        return [Promise(_NAME, False, "It was cut short before its end: raise --max-seconds.")]
    p99_s = held["latency"]["p99_ms"] / 1000
    words = (
        f"{held['within_5s']:.2%} of {held['asked']} at {held['rate_per_s']:g}/s for {held['seconds']:.0f} s; "
        f"p99 {p99_s:.2f} s, {held['not_answered']} not answered."
    )
    most, longest = held["uncached_tokens"]["max"], held["answer_tokens_max"]
    is_small = most <= SMALL_UNCACHED_TOKENS and longest <= SMALL_ANSWER_TOKENS
    sizes = f"At most {most:.0f} tokens to read and {longest} to write."
    return [
        Promise(_NAME, held["within_5s"] >= OBJECTIVE, words, is_bar=True),
        Promise("The jobs are small", is_small, sizes),
    ]
