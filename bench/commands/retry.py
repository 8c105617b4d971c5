"""`docqa bench retry`: clients that obey `Retry-After` against clients that retry at once, each on its own stack."""

import asyncio
from functools import partial
from typing import Any

import click
import msgspec

from bench.cli import Load, Shared, Verdict, delay_range, drive, execute, shared_options
from bench.harness import arrivals, told_times
from bench.harness.ledger import Fate, Ledger
from bench.harness.promises import Promise
from bench.harness.run import Run, stays_away, usual_verdict
from bench.targets.stack import StackOptions
from contract.runtime import tasks


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
    """The hammering clients run first; the result is the patient clients', with figures of both.

    At last the patient ones run once more, with one client beside them that hammers all the time.
    """
    options, verdict = shared.run_options(), _verdict(min(stack.delays_s), never_back)
    hammered = await drive("retry", shared, options, stack, _hammering(clients, hammer_every_s, never_back), verdict)
    patient = await drive("retry", shared, options, stack, _patient(clients, never_back, stack.slots), verdict)
    beside = await drive("retry", shared, options, stack, _beside(clients, hammer_every_s, stack.slots), verdict)
    promises = [{**promise, "name": f"{promise['name']} (hammered)"} for promise in hammered["promises"]]
    figures = {
        f"{name}_{who}": found["figures"][name]
        for who, found in (("patient", patient), ("hammering", hammered))
        for name in ("total_s", "wasted_tries", "tries", "vain_tries_each")
    }
    figures["obey_to_hammer"] = round(figures["total_s_patient"] / figures["total_s_hammering"], 3)
    told_s, beside_s = patient["figures"]["told_s_mean"], beside["figures"]["told_s_mean"]
    figures["told_s_grow_beside_a_hammer"] = round(beside_s / told_s, 3) if told_s and beside_s else None
    figures = {**patient["figures"], **figures}
    promises = [*patient["promises"], *promises, *map(msgspec.to_builtins, _bars(figures, never_back))]
    return {**patient, "promises": promises, "figures": figures}


def _bars(figures: dict[str, Any], never_back: float) -> list[Promise]:
    """What obeying should cost; with clients that never come back it is only reported."""
    ratio, vain = figures["obey_to_hammer"], figures["vain_tries_each_patient"]
    error_s, share = figures["told_error_s_median"], figures["told_error_share_median"]
    idle, grow = figures["idle_while_outside"], figures["told_s_grow_beside_a_hammer"]
    if never_back or None in (error_s, share, idle, grow):
        return []
    return [
        _bar("Obeying takes no longer than hammering", ratio <= 1.15, f"{ratio:g} times as long; at most 1.15."),
        _bar(
            "A client that obeys is seldom refused again", vain <= 0.5, f"{vain:g} further refusals each; at most 0.5."
        ),
        _bar(
            "Told times are right",
            error_s <= told_times.NEAR_S or share <= told_times.NEAR,
            f"The median is off by {error_s:g} s, {share:.0%} of the true time; at most 1 s or 25%.",
        ),
        _bar("No slot is idle while somebody waits as told", idle <= 0.05, f"{idle:.1%} of the time; at most 5%."),
        _bar("One that hammers makes nobody wait", grow <= 1.2, f"Told times are {grow:g} times as long; at most 1.2."),
    ]


def _bar(name: str, held: bool, words: str) -> Promise:
    return Promise(name, held, words, is_bar=True)


def _beside(clients: int, hammer_every_s: float, slots: int) -> Load:
    """Patient clients, and one that hammers until they have their answers."""
    patient = _patient(clients, 0.0, slots)

    async def hammer(run: Run) -> None:
        query = run.new_query(clients, 0.0)
        await run.try_once(query)
        while True:
            await asyncio.sleep(hammer_every_s)
            # Once it has an answer it asks anew: it never stops.
            query = query if query.status == 429 else run.new_query(query.number + 1, run.clock.now_s())
            await run.try_once(query)

    async def load(run: Run) -> dict[str, Any]:
        hammering = asyncio.create_task(hammer(run))
        figures = await patient(run)
        obeying = [query for query in run.queries if query.number < clients]
        await tasks.end(hammering)
        return {**figures, **told_times.figures(obeying, run.sampler.depths, slots)}

    return load


def _patient(clients: int, never_back: float, slots: int) -> Load:
    async def load(run: Run) -> dict[str, Any]:
        run.mark("clients that obey Retry-After")
        send = partial(run.send_patiently, never_back=never_back)
        await arrivals.open_loop(arrivals.bursts(clients, 1, 0), send, run.clock)
        return {**_figures(run), **told_times.figures(run.queries, run.sampler.depths, slots)}

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
