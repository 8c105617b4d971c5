"""`docqa bench retry`: clients that obey `Retry-After` against clients that retry at once, each on its own stack."""

import asyncio
from functools import partial
from typing import Any

import click

from bench.cli import Load, Shared, Verdict, delay_range, drive, execute, shared_options
from bench.harness import arrivals
from bench.harness.ledger import Fate, Ledger
from bench.harness.promises import Promise
from bench.harness.run import Run, stays_away, usual_verdict
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
@click.option(
    "--never-back",
    type=click.FloatRange(0, 0.9),
    default=0.0,
    show_default=True,
    help="The part of the refused clients that obey by never coming back.",
)
@click.option("--queue-size", type=click.IntRange(1), default=10, show_default=True, help="For the started stack.")
@click.option("--slots", type=click.IntRange(1), default=8, show_default=True, help="For the started stack.")
@click.option(
    "--engine",
    type=click.Choice(["echo", "llama"]),
    default="echo",
    show_default=True,
    help="llama: the bundled model writes answers of mixed lengths; --delay counts for echo only.",
)
@click.option("--delay", default="1", show_default=True, help="Seconds per job; 2..5 for a range.")
@shared_options
def command(
    shared: Shared,
    clients: int,
    hammer_every: float,
    never_back: float,
    queue_size: int,
    slots: int,
    engine: Any,
    delay: str,
) -> None:
    """Compare clients that obey Retry-After with clients that hammer."""
    stack = StackOptions(
        engine=engine,
        delays_s=delay_range(delay),
        queue_size=queue_size,
        slots=slots,
        environment=shared.environment(),
    )
    clients = min(clients, 30) if shared.quick else clients
    execute(shared, _both(shared, stack, clients, hammer_every, never_back))


async def _both(
    shared: Shared, stack: StackOptions, clients: int, hammer_every_s: float, never_back: float
) -> dict[str, Any]:
    """The hammering clients run first; the result is the patient clients', with figures of both."""
    options, verdict = shared.run_options(), _verdict(min(stack.delays_s), never_back)
    hammered = await drive("retry", shared, options, stack, _hammering(clients, hammer_every_s, never_back), verdict)
    patient = await drive("retry", shared, options, stack, _patient(clients, never_back), verdict)
    promises = [{**promise, "name": f"{promise['name']} (hammered)"} for promise in hammered["promises"]]
    figures = {
        f"{name}_{who}": found["figures"][name]
        for who, found in (("patient", patient), ("hammering", hammered))
        for name in ("total_s", "wasted_tries", "tries", "vain_tries_each")
    }
    figures["obey_to_hammer"] = round(figures["total_s_patient"] / figures["total_s_hammering"], 3)
    return {**patient, "promises": patient["promises"] + promises, "figures": {**patient["figures"], **figures}}


def _patient(clients: int, never_back: float) -> Load:
    async def load(run: Run) -> dict[str, Any]:
        run.mark("clients that obey Retry-After")
        send = partial(run.send_patiently, never_back=never_back)
        await arrivals.open_loop(arrivals.bursts(clients, 1, 0), send, run.clock)
        return _figures(run)

    return load


def _hammering(clients: int, every_s: float, never_back: float) -> Load:
    async def load(run: Run) -> dict[str, Any]:
        async def hammer(number: int, planned_s: float) -> None:
            query = run.new_query(number, planned_s)
            await run.try_once(query)
            while query.status in (429, 503) and not stays_away(number, never_back):
                await asyncio.sleep(every_s)
                await run.try_once(query)

        run.mark("clients that hammer")
        await arrivals.open_loop(arrivals.bursts(clients, 1, 0), hammer, run.clock)
        return _figures(run)

    return load


def _figures(run: Run) -> dict[str, Any]:
    wasted = sum(len(query.refusals) for query in run.queries)
    # A client can't avoid its first refusal: those count that come back at the given time and are refused again.
    back = [query for query in run.queries if query.status not in (429, 503)]
    in_vain = sum(max(len(query.refusals) - 1, 0) for query in back)
    each = round(in_vain / len(back), 3) if back else 0.0
    return {"total_s": round(run.clock.now_s(), 2), "wasted_tries": wasted, "vain_tries_each": each}


def _verdict(job_s: float, never_back: float) -> Verdict:
    def verdict(run: Run, found: Ledger, figures: dict[str, Any]) -> list[Promise]:
        answered, asked = found.counts[Fate.ANSWERED], len(found.entries)
        total_s, wasted = figures.get("total_s"), figures.get("wasted_tries")
        words = f"{answered} of {asked}, in {total_s} s with {wasted} refused tries."
        back = sum(query.status not in (429, 503) for query in run.queries) if never_back else asked
        return [*usual_verdict(run, found, job_s), Promise("All get their answer", answered == back, words)]

    return verdict
