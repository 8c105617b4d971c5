"""`docqa bench load`: a steady load, as an open loop (independent arrivals) or a closed loop (a number of clients)."""

from typing import Any

import click

from bench.cli import Load, Shared, Verdict, delay_range, drive, execute, shared_options
from bench.harness import arrivals
from bench.harness.ledger import Ledger
from bench.harness.promises import Promise
from bench.harness.run import Run, usual_verdict
from bench.targets.stack import StackOptions


@click.command("load")
@click.option("-n", "total", type=click.IntRange(1), default=1000, show_default=True, help="Queries of a closed loop.")
@click.option("-c", "clients", type=click.IntRange(1), default=10, show_default=True, help="Clients of a closed loop.")
@click.option("--rate", type=click.FloatRange(0.01), help="Arrivals per second: use an open loop.")
@click.option(
    "--for",
    "for_s",
    type=click.FloatRange(1),
    default=30.0,
    show_default=True,
    help="Duration of the open loop in seconds.",
)
@click.option("--even", is_flag=True, help="Evenly spaced arrivals. [default: Poisson]")
@click.option("--engine", type=click.Choice(["echo", "llama"]), default="echo", show_default=True)
@click.option(
    "--style",
    type=click.Choice(["write", "quote"]),
    default="write",
    show_default=True,
    help="How the llama engine's stack answers: a quote needs no model.",
)
@click.option("--queue-size", type=click.IntRange(1), default=10, show_default=True, help="For a started stack.")
@click.option("--slots", type=click.IntRange(1), default=8, show_default=True, help="For a started stack.")
@click.option("--delay", default="0", show_default=True, help="Seconds per job of the echo engine.")
@click.option("--max-tokens", type=click.IntRange(1), default=32, show_default=True, help="Length limit of an answer.")
@shared_options
def command(
    shared: Shared, engine: Any, style: str, queue_size: int, slots: int, delay: str, max_tokens: int, **how: Any
) -> None:
    """Run a steady load, open or closed loop."""
    delays_s = delay_range(delay) if engine == "echo" else (0.0,)
    environment = {**shared.environment(), "DOCQA_STYLE": style}
    stack = StackOptions(engine=engine, delays_s=delays_s, queue_size=queue_size, slots=slots, environment=environment)
    if shared.quick:
        how.update(total=min(how["total"], 300), for_s=min(how["for_s"], 10.0))
    options = shared.run_options(max_tokens=max_tokens)
    execute(shared, drive("load", shared, options, stack, _load(**how), usual(min(delays_s))))


def usual(job_s: float) -> Verdict:
    """The usual verdict, for jobs that take at least `job_s`."""

    def verdict(run: Run, found: Ledger, figures: dict[str, Any]) -> list[Promise]:
        return usual_verdict(run, found, job_s)

    return verdict


def _load(*, total: int, clients: int, rate: float | None, for_s: float, even: bool) -> Load:
    async def load(run: Run) -> dict[str, Any]:
        if rate is None:
            await arrivals.closed_loop(total, clients, run.send, run.clock)
            shape: dict[str, Any] = {"loop": "closed", "clients": clients}
        else:
            moments = arrivals.evenly(rate, for_s) if even else arrivals.poisson(rate, for_s, run.rng)
            await arrivals.open_loop(moments, run.send, run.clock)
            shape = {"loop": "open", "rate_per_s": rate, "arrivals": "even" if even else "poisson"}
        refused = sum(bool(query.refusals) for query in run.queries)
        return {**shape, "refused_share": round(refused / max(len(run.queries), 1), 4)}

    return load
