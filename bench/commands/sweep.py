"""`docqa bench sweep`: arrival rates from light to past saturation: the knee, and the goodput beyond it.

One system, one rate after another, with a pause in which the queue drains.
"""

import asyncio
from typing import Any, Final

import click
import msgspec

from bench.cli import Load, Shared, Verdict, delay_range, drive, execute, shared_options
from bench.commands.rate_search import knee_of, measured_capacity, one_rate
from bench.harness.ledger import Ledger
from bench.harness.promises import Promise
from bench.harness.run import Run, usual_verdict
from bench.targets.stack import StackOptions

GOODPUT_PAST_KNEE: Final = 0.95
SHARES: Final = (0.25, 0.5, 0.7, 0.85, 1.0, 1.25, 1.6, 2.0, 3.0)
QUICK_SHARES: Final = (0.5, 0.9, 1.5, 3.0)


@click.command("sweep")
@click.option("--capacity", type=click.FloatRange(0.01), help="Capacity in jobs per second. [default: measured]")
@click.option("--each", "each_s", type=click.FloatRange(1), default=20.0, show_default=True, help="Seconds per rate.")
@click.option("--engine", type=click.Choice(["echo", "llama"]), default="echo", show_default=True)
@click.option("--queue-size", type=click.IntRange(1), default=16, show_default=True, help="For a started stack.")
@click.option("--slots", type=click.IntRange(1), default=8, show_default=True, help="For a started stack.")
@click.option("--delay", default="0.2", show_default=True, help="Seconds per job of the echo engine.")
@shared_options
def command(
    shared: Shared, capacity: float | None, each_s: float, engine: Any, queue_size: int, slots: int, delay: str
) -> None:
    """Try arrival rates from light to past saturation."""
    delays_s = delay_range(delay) if engine == "echo" else (0.0,)
    stack = StackOptions(
        engine=engine, delays_s=delays_s, queue_size=queue_size, slots=slots, environment=shared.environment()
    )
    shares, each_s = (QUICK_SHARES, min(each_s, 6.0)) if shared.quick else (SHARES, each_s)
    load = _load(capacity, shares, each_s, 2 * slots)
    execute(shared, drive("sweep", shared, shared.run_options(), stack, load, _verdict(min(delays_s))))


def _load(capacity: float | None, shares: tuple[float, ...], each_s: float, clients: int) -> Load:
    async def load(run: Run) -> dict[str, Any]:
        capacity_per_s = capacity or await measured_capacity(run, clients, each_s / 2)
        steps = []
        for share in shares:
            steps.append(await one_rate(run, capacity_per_s * share, each_s))
            await asyncio.sleep(1)
        return {"capacity_per_s": round(capacity_per_s, 2), "steps": msgspec.to_builtins(steps), **knee_of(steps)}

    return load


def _verdict(job_s: float) -> Verdict:
    def verdict(run: Run, found: Ledger, figures: dict[str, Any]) -> list[Promise]:
        kept = figures.get("kept_past_peak", 0.0)
        words = f"Past saturation the least goodput was {kept:.1%} of the peak, {figures.get('peak_per_s')}/s."
        past = Promise("Goodput stays past saturation", kept >= GOODPUT_PAST_KNEE, words, is_bar=True)
        return [*usual_verdict(run, found, job_s), past]

    return verdict
