"""`docqa bench soak`: a long steady load that reports growing memory or file descriptors of any process."""

import statistics
from typing import Any, Final

import click
import msgspec

from bench.cli import Load, Shared, Verdict, delay_range, drive, execute, shared_options
from bench.harness import arrivals
from bench.harness.ledger import Fate, Ledger
from bench.harness.promises import Promise
from bench.harness.run import Run, usual_verdict
from bench.harness.sampler import Footprint
from bench.targets.stack import StackOptions

QUICK_MINUTES: Final = 0.5
WARM_UP_SHARE: Final = 0.25
"""Share of the run in which caches and pools fill, which is no leak."""
LEAK_MIB: Final = 8.0
LEAK_DESCRIPTORS: Final = 8
"""Tolerated growth of a process over the whole run, along its slope."""


class Slope(msgspec.Struct, frozen=True):
    """The growth of a process after the warm-up, by least squares."""

    mib_per_hour: float
    descriptors_per_hour: float
    mib_in_all: float
    descriptors_in_all: float

    @property
    def is_leak(self) -> bool:
        return self.mib_in_all > LEAK_MIB or self.descriptors_in_all > LEAK_DESCRIPTORS


@click.command("soak")
@click.option("--minutes", type=click.FloatRange(0.1, 24 * 60), default=10.0, show_default=True, help="Duration.")
@click.option("--rate", type=click.FloatRange(0.1), default=10.0, show_default=True, help="Arrivals per second.")
@click.option("--engine", type=click.Choice(["echo", "llama"]), default="echo", show_default=True)
@click.option("--queue-size", type=click.IntRange(1), default=20, show_default=True, help="For a started stack.")
@click.option("--slots", type=click.IntRange(1), default=8, show_default=True, help="For a started stack.")
@click.option("--delay", default="0.2", show_default=True, help="Seconds per job of the echo engine.")
@shared_options
def command(shared: Shared, minutes: float, rate: float, engine: Any, queue_size: int, slots: int, delay: str) -> None:
    """Run a long steady load and watch memory and file descriptors."""
    minutes = min(minutes, QUICK_MINUTES) if shared.quick else minutes
    # The requested minutes override the general time limit.
    shared = msgspec.structs.replace(shared, max_seconds=max(shared.max_seconds, minutes * 60 + 60))
    delays_s = delay_range(delay) if engine == "echo" else (0.0,)
    stack = StackOptions(
        engine=engine, delays_s=delays_s, queue_size=queue_size, slots=slots, environment=shared.environment()
    )
    options = shared.run_options("uds", "tcp", "uds-events")
    execute(shared, drive("soak", shared, options, stack, _load(minutes, rate), _verdict(min(delays_s))))


def _load(minutes: float, rate: float) -> Load:
    async def load(run: Run) -> dict[str, Any]:
        moments = arrivals.poisson(rate, minutes * 60, run.rng)
        await arrivals.open_loop(moments, run.send, run.clock)
        return {"minutes": minutes, "rate_per_s": rate}

    return load


def _verdict(job_s: float) -> Verdict:
    def verdict(run: Run, found: Ledger, figures: dict[str, Any]) -> list[Promise]:
        slopes = slopes_of(run.sampler.footprints)
        figures["slopes"] = {part: msgspec.to_builtins(slope) for part, slope in slopes.items()}
        leaks = [f"{part} {slope.mib_in_all:+.1f} MiB" for part, slope in slopes.items() if slope.is_leak]
        steepest = max((slope.mib_per_hour for slope in slopes.values()), default=0.0)
        words = f"Growing: {', '.join(leaks)}." if leaks else f"The steepest slope is {steepest:+.1f} MiB an hour."
        failed = found.counts[Fate.FAILED] + found.counts[Fate.DEAD]
        return [
            *usual_verdict(run, found, job_s),
            Promise("Memory and descriptors stay flat", not leaks, words),
            Promise("Nothing fails under a steady load", not failed, f"{failed} failed."),
        ]

    return verdict


def slopes_of(footprints: list[Footprint]) -> dict[str, Slope]:
    """The slope of each part; only the last process of a restarted part counts."""
    slopes = {}
    for part in sorted({seen.part for seen in footprints}):
        last_pid = next(seen.pid for seen in reversed(footprints) if seen.part == part)
        seen_of = [seen for seen in footprints if seen.part == part and seen.pid == last_pid]
        settled = seen_of[int(len(seen_of) * WARM_UP_SHARE) :]
        if len(settled) > 2:
            slopes[part] = _slope(settled)
    return slopes


def _slope(seen: list[Footprint]) -> Slope:
    moments = [footprint.at_s for footprint in seen]
    seconds = moments[-1] - moments[0]
    mib = statistics.linear_regression(moments, [footprint.rss_mib for footprint in seen]).slope
    descriptors = statistics.linear_regression(moments, [footprint.descriptors for footprint in seen]).slope
    return Slope(
        mib_per_hour=round(mib * 3600, 2),
        descriptors_per_hour=round(descriptors * 3600, 2),
        mib_in_all=round(mib * seconds, 2),
        descriptors_in_all=round(descriptors * seconds, 2),
    )
