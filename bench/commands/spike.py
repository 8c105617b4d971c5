"""`docqa bench spike`: many queries at once against a small queue."""

import asyncio
from functools import partial
from typing import Any, Final

import click

from bench.cli import Load, Shared, delay_range, drive, execute, shared_options
from bench.harness import arrivals
from bench.harness.ledger import Fate, Ledger
from bench.harness.promises import Promise
from bench.harness.run import Run, usual_verdict
from bench.targets.stack import StackOptions

FIRST_REFUSAL_WITHIN_MS: Final = 50.0
QUICK_DELAY_S: Final = 1.0


@click.command("spike")
@click.option("--burst", type=click.IntRange(1, 5000), default=50, show_default=True, help="Queries at once.")
@click.option("--bursts", type=click.IntRange(1), default=1, show_default=True, help="Number of bursts.")
@click.option("--every", type=click.FloatRange(0), default=30.0, show_default=True, help="Seconds between them.")
@click.option("--queue-size", type=click.IntRange(1), default=10, show_default=True, help="For a started stack.")
@click.option("--slots", type=click.IntRange(1), default=8, show_default=True, help="For a started stack.")
@click.option(
    "--engine",
    type=click.Choice(["echo", "llama"]),
    default="echo",
    show_default=True,
    help="llama: the bundled model writes answers of mixed lengths; --delay counts for echo only.",
)
@click.option("--delay", default="2", show_default=True, help="Seconds per job; 2..5 for a range.")
@click.option(
    "--never-back",
    type=click.FloatRange(0, 0.9),
    default=0.0,
    show_default=True,
    help="The part of the refused clients that obey by never coming back.",
)
@click.option("--retry/--no-retry", default=True, help="Obey Retry-After until answered. [default: retry]")
@shared_options
def command(
    shared: Shared,
    burst: int,
    bursts: int,
    every: float,
    queue_size: int,
    slots: int,
    delay: str,
    engine: Any,
    never_back: float,
    retry: bool,
) -> None:
    """Send many queries at once to a small queue."""
    delays_s = (
        tuple(min(delay_s, QUICK_DELAY_S) for delay_s in delay_range(delay)) if shared.quick else delay_range(delay)
    )
    environment = shared.environment()
    stack = StackOptions(engine=engine, delays_s=delays_s, queue_size=queue_size, slots=slots, environment=environment)
    load = _load(burst, bursts, every, never_back, retry=retry)
    execute(shared, drive("spike", shared, shared.run_options(), stack, load, _verdict(stack, never_back, retry=retry)))


def _load(burst: int, count: int, every_s: float, never_back: float, *, retry: bool) -> Load:
    async def load(run: Run) -> dict[str, Any]:
        for number in range(count):
            await run.clock.until(number * every_s)
            run.mark(f"burst of {burst}")
            send = partial(run.send_patiently, never_back=never_back) if retry else run.send
            await arrivals.open_loop(arrivals.bursts(burst, 1, 0), send, run.clock, first=number * burst)
        await asyncio.sleep(0.2)  # one more sample of the queue after the last answer
        return {
            "burst": burst,
            "bursts": count,
            "first_refusal_ms": _first_refusal_ms(run),
            "burst_sent_ms": _burst_sent_ms(run),
        }

    return load


def _first_refusal_ms(run: Run) -> float | None:
    if not (first := [query.refusals[0] for query in run.queries if query.refusals]):
        return None
    return round(min(refusal.took_s for refusal in first) * 1000, 1)


def _burst_sent_ms(run: Run) -> float:
    """How long the sending took: the benchmark's own part of the refusals' latency."""
    return round(max(query.sent_s - query.planned_s for query in run.queries) * 1000, 1)


def _verdict(stack: StackOptions, never_back: float, *, retry: bool) -> Any:
    def verdict(run: Run, found: Ledger, figures: dict[str, Any]) -> list[Promise]:
        promises = usual_verdict(run, found, min(stack.delays_s))
        if retry:
            answered = found.counts[Fate.ANSWERED]
            back = sum(query.status not in (429, 503) for query in run.queries) if never_back else len(found.entries)
            words = f"{answered} of {back} that came back got their answer by obeying Retry-After."
            promises.append(Promise("Obeying Retry-After gets an answer", answered == back, words))
        if (first_ms := figures.get("first_refusal_ms")) is not None:
            words = f"The first refusal came {first_ms:g} ms after the burst."
            within = first_ms <= FIRST_REFUSAL_WITHIN_MS
            promises.append(Promise("First refusal within 50 ms", within, words, is_bar=True))
        return promises

    return verdict
