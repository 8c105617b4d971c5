"""`docqa bench simulate`: what other numbers of workers and arrivals would meet, by a model of the stored results."""

import json
from pathlib import Path
from typing import Final

import click
import msgspec

from bench.simulation import fit
from bench.simulation.plan import Ceilings, Plan, ceilings, plan
from contract.errors import DocQAError
from contract.runtime.terminal import echo

RESULTS: Final = Path(__file__).parents[1] / "results"
SHARES: Final = (0.5, 0.8, 1.2)
WORKERS: Final = (1, 3, 10, 100)


@click.command("simulate")
@click.option("--workers", type=click.IntRange(1), multiple=True, help="[default: 1, 3, 10, 100]")
@click.option(
    "--rate", "per_s", type=click.FloatRange(0.01), help="Questions a second. [default: shares of what workers can]"
)
@click.option("--pages", "pages_per_s", type=click.FloatRange(0), default=0.0, help="Pages of documents a second.")
@click.option("--cores", type=click.IntRange(1), default=2, show_default=True, help="Cores of a worker's machine.")
@click.option("--check", is_flag=True, help="Compare the model with what was measured, and end with 1 beyond 10%.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    workers: tuple[int, ...], per_s: float | None, pages_per_s: float, cores: int, check: bool, as_json: bool
) -> None:
    """Simulate the queue with the bundled model's measured speed. docs/scale.md explains the columns."""
    try:
        model, bears = fit.fitted(RESULTS), ceilings(RESULTS)
        if check:
            _check(fit.checks(RESULTS), as_json=as_json)
            return
    except (OSError, KeyError, ValueError) as error:
        raise DocQAError(f"The results in {RESULTS} are not those that the model is fitted to: {error!r}.") from None
    plans = [
        plan(model, bears, count, rate, pages_per_s=pages_per_s, cores=cores)
        for count in workers or WORKERS
        for rate in ([per_s] if per_s else [share * count * model.full_per_s for share in SHARES])
    ]
    echo(json.dumps(msgspec.to_builtins([_row(one) for one in plans])) if as_json else _table(plans, model, bears))


def _check(found: list[fit.Check], *, as_json: bool) -> None:
    if as_json:
        echo(json.dumps([{**msgspec.structs.asdict(one), "error": round(one.error, 4)} for one in found]))
    else:
        for one in found:
            echo(f"{one.of:18} {one.what:18} measured {one.measured:9.3f}  model {one.model:9.3f}  {one.error:+7.1%}")
    beyond = [one for one in found if abs(one.error) > fit.WITHIN]
    if beyond:
        raise DocQAError(
            f"{len(beyond)} of {len(found)} figures are more than {fit.WITHIN:.0%} from the measured ones."
        )


def _row(one: Plan) -> dict[str, object]:
    told, longest = one.told_s
    return {
        "workers": one.workers,
        "arrivals_per_s": round(one.arrivals_per_s, 2),
        "answered_per_s": round(one.outcome.answered_per_s, 2),
        "waiting": round(one.outcome.queue_mean, 1),
        "p50_s": round(one.outcome.latency_s(0.5), 2),
        "p99_s": round(one.outcome.latency_s(0.99), 2),
        "within_5s": round(one.within_objective, 4),
        "refused_tries": round(one.outcome.refused_share, 3),
        "retry_after_s": [told, longest],
        "core_hours_per_1000": round(one.core_hours_per_1000, 2),
        "loads": {load.part: round(load.share, 4) for load in one.loads},
    }


def _table(plans: list[Plan], model: fit.Model, bears: Ceilings) -> str:
    head = (
        f"A worker: {model.full_per_s:.2f} answers/s with all {model.slots} slots busy, {model.alone_s:.2f} s alone. "
        f"The ingress accepts {bears.ingress_per_s:.0f}/s, the bus confirms {bears.stream_per_s:.0f}/s.\n\n"
        "| workers | questions/s | answers/s | waiting | p50 s | p99 s | within 5 s | refused tries | Retry-After s | "
        "core-hours per 1000 | nearest to its ceiling |\n|" + "---|" * 11
    )
    return "\n".join([head, *map(_line, plans)])


def _line(one: Plan) -> str:
    told, longest = one.told_s
    most = one.bottleneck
    return (
        f"| {one.workers} | {one.arrivals_per_s:.1f} | {one.outcome.answered_per_s:.1f} | {one.outcome.queue_mean:.0f} "
        f"| {one.outcome.latency_s(0.5):.1f} | {one.outcome.latency_s(0.99):.1f} | {one.within_objective:.1%} "
        f"| {one.outcome.refused_share:.0%} | {f'{told} ({longest})' if told else '-'} | {one.core_hours_per_1000:.2f} "
        f"| {most.part}, {most.share:.0%} |"
    )
