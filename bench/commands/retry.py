"""`docqa bench retry`: clients that obey `Retry-After` against clients that retry at once, each on its own stack."""

import asyncio
from typing import Any

import click

from bench.cli import Load, Shared, Verdict, delay_range, drive, execute, shared_options
from bench.harness import arrivals
from bench.harness.ledger import Fate, Ledger
from bench.harness.promises import Promise
from bench.harness.run import Run, usual_verdict
from bench.targets.stack import StackOptions


@click.command("retry")
@click.option(
    "--clients",
    type=click.IntRange(1, 1000),
    default=50,
    show_default=True,
    help="Number of clients, with one query each.",
)
@click.option(
    "--hammer-every",
    type=click.FloatRange(0.01),
    default=0.1,
    show_default=True,
    help="Seconds between the tries of hammering clients.",
)
@click.option("--queue-size", type=click.IntRange(1), default=10, show_default=True, help="For the started stack.")
@click.option("--slots", type=click.IntRange(1), default=8, show_default=True, help="For the started stack.")
@click.option("--delay", default="1", show_default=True, help="Seconds per job; 2..5 for a range.")
@shared_options
def command(shared: Shared, clients: int, hammer_every: float, queue_size: int, slots: int, delay: str) -> None:
    """Compare clients that obey Retry-After with clients that hammer."""
    stack = StackOptions(
        delays_s=delay_range(delay), queue_size=queue_size, slots=slots, environment=shared.environment()
    )
    execute(shared, _both(shared, stack, min(clients, 30) if shared.quick else clients, hammer_every))


async def _both(shared: Shared, stack: StackOptions, clients: int, hammer_every_s: float) -> dict[str, Any]:
    """The hammering clients run first; the result is the patient clients', with figures of both."""
    options, verdict = shared.run_options(), _verdict(min(stack.delays_s))
    hammered = await drive("retry", shared, options, stack, _hammering(clients, hammer_every_s), verdict)
    patient = await drive("retry", shared, options, stack, _patient(clients), verdict)
    promises = [{**promise, "name": f"{promise['name']} (hammered)"} for promise in hammered["promises"]]
    figures = {
        f"{name}_{who}": found["figures"][name]
        for who, found in (("patient", patient), ("hammering", hammered))
        for name in ("total_s", "wasted_tries", "tries")
    }
    return {**patient, "promises": patient["promises"] + promises, "figures": {**patient["figures"], **figures}}


def _patient(clients: int) -> Load:
    async def load(run: Run) -> dict[str, Any]:
        run.mark("clients that obey Retry-After")
        await arrivals.open_loop(arrivals.bursts(clients, 1, 0), run.send_patiently, run.clock)
        return _figures(run)

    return load


def _hammering(clients: int, every_s: float) -> Load:
    async def load(run: Run) -> dict[str, Any]:
        async def hammer(number: int, planned_s: float) -> None:
            query = run.new_query(number, planned_s)
            await run.try_once(query)
            while query.status in (429, 503):
                await asyncio.sleep(every_s)
                await run.try_once(query)

        run.mark("clients that hammer")
        await arrivals.open_loop(arrivals.bursts(clients, 1, 0), hammer, run.clock)
        return _figures(run)

    return load


def _figures(run: Run) -> dict[str, Any]:
    wasted = sum(len(query.refusals) for query in run.queries)
    return {"total_s": round(run.clock.now_s(), 2), "wasted_tries": wasted}


def _verdict(job_s: float) -> Verdict:
    def verdict(run: Run, found: Ledger, figures: dict[str, Any]) -> list[Promise]:
        answered, asked = found.counts[Fate.ANSWERED], len(found.entries)
        total_s, wasted = figures.get("total_s"), figures.get("wasted_tries")
        words = f"{answered} of {asked}, in {total_s} s with {wasted} refused tries."
        return [*usual_verdict(run, found, job_s), Promise("All get their answer", answered == asked, words)]

    return verdict
