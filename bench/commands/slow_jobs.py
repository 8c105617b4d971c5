"""`docqa bench slow-jobs`: jobs of 2 to 5 seconds at three times the capacity, until everything has drained.

The echo engine's delay is fixed per process, so a range is four workers with different delays.
"""

import asyncio
import math
from typing import Any, Final

import click

from bench.cli import Load, Shared, Verdict, delay_range, drive, execute, shared_options
from bench.harness import arrivals
from bench.harness.ledger import Fate, Ledger
from bench.harness.promises import Promise
from bench.harness.run import Mark, Run, usual_verdict
from bench.targets.stack import StackOptions

QUICK_S: Final = 15.0
DRAINED_WITHIN_S: Final = 60.0
WORTH_AN_ALERT: Final = 0.8
"""The alerts fire when the queue is this full, or after a refusal within the last minute."""


@click.command("slow-jobs")
@click.option("--delay", default="2..5", show_default=True, help="Seconds per job, or a range.")
@click.option("--minutes", type=click.FloatRange(0.1), default=5.0, show_default=True, help="Minutes of arrivals.")
@click.option(
    "--overload",
    type=click.FloatRange(0.1),
    default=3.0,
    show_default=True,
    help="Arrivals as a multiple of the capacity.",
)
@click.option("--queue-size", type=click.IntRange(1), default=10, show_default=True, help="For a started stack.")
@click.option("--slots", type=click.IntRange(1), default=4, show_default=True, help="For a started stack.")
@shared_options
def command(shared: Shared, delay: str, minutes: float, overload: float, queue_size: int, slots: int) -> None:
    """Overload the system with jobs that take seconds."""
    delays_s = delay_range(delay)
    stack = StackOptions(delays_s=delays_s, queue_size=queue_size, slots=slots, environment=shared.environment())
    capacity_per_s = sum(max(slots // len(delays_s), 1) / max(delay_s, 0.01) for delay_s in delays_s)
    for_s = QUICK_S if shared.quick else minutes * 60
    load = _load(capacity_per_s, overload, for_s)
    execute(shared, drive("slow-jobs", shared, shared.run_options(), stack, load, _verdict(min(delays_s))))


def _load(capacity_per_s: float, overload: float, for_s: float) -> Load:
    async def load(run: Run) -> dict[str, Any]:
        run.mark("jobs arrive")
        moments = arrivals.poisson(capacity_per_s * overload, for_s, run.rng)
        await arrivals.open_loop(moments, run.send, run.clock)
        last_s = run.queries[-1].planned_s if run.queries else run.clock.now_s()
        run.marks.append(Mark(round(last_s, 3), "no more arrive"))
        drained_s = await _drained(run, last_s)
        return {"capacity_per_s": round(capacity_per_s, 2), "overload": overload, "drained_after_s": drained_s}

    return load


async def _drained(run: Run, since_s: float) -> float | None:
    while run.clock.now_s() < since_s + DRAINED_WITHIN_S:
        seen = await run.sampler.probe()
        if seen and seen.depth == 0:
            run.mark("drained")
            return round(run.clock.now_s() - since_s, 2)
        await asyncio.sleep(0.1)
    return None


def _verdict(job_s: float) -> Verdict:
    def verdict(run: Run, found: Ledger, figures: dict[str, Any]) -> list[Promise]:
        counts = found.counts
        figures["accepted"] = accepted = sum(query.was_accepted for query in run.queries)
        figures["completion_ratio"] = ratio = round(counts[Fate.ANSWERED] / max(accepted, 1), 4)
        figures["memory_growth_mib"] = growth = _growth_mib(run)
        figures["alerts_true_after_s"] = _alerts(run)
        drained = figures.get("drained_after_s") is not None
        worst = max(growth.values(), default=0.0)
        return [
            *usual_verdict(run, found, job_s),
            Promise("Everything accepted is completed", ratio == 1, f"{counts[Fate.ANSWERED]} of {accepted} accepted."),
            Promise("Everything drains", drained, f"The queue was empty: {drained}."),
            Promise("Memory stays flat", worst < 16, f"The most that a process grew is {worst:g} MiB.", is_bar=True),
        ]

    return verdict


def _growth_mib(run: Run) -> dict[str, float]:
    """Per part: its memory at the end minus its minimum after the first fifth."""
    growth = {}
    for part in {seen.part for seen in run.sampler.footprints}:
        sizes = [seen.rss_mib for seen in run.sampler.footprints if seen.part == part]
        growth[part] = round(sizes[-1] - min(sizes[math.floor(len(sizes) / 5) :]), 1)
    return dict(sorted(growth.items()))


def _alerts(run: Run) -> dict[str, float | None]:
    """When the conditions of the alerts became true, in seconds."""
    full = (seen.at_s for seen in run.sampler.depths if seen.depth >= WORTH_AN_ALERT * seen.capacity)
    refused = (seen.at_s for query in run.queries for seen in query.refusals if seen.status == 429)
    return {"queue_nearly_full": next(full, None), "refusing": min(refused, default=None)}
