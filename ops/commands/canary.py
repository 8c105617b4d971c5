"""`docqa canary`: compares a new release with the running one and decides whether it may replace it."""

import asyncio
import json
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from contract.errors import DocQAError
from contract.runtime.files import write_atomically
from contract.runtime.terminal import echo
from contract.settings import load
from ops.console import Console
from ops.options import environment_with, json_option, token_option
from ops.settings import UpSettings

if TYPE_CHECKING:
    from ops.release.canary_watch import Pace
    from ops.release.smoke_steps import Step
    from ops.release.verdict import Limits, Seen, Verdict

_STATUS: Final = {"promote": 0, "roll back": 1, "can't say": 2}


@click.command("canary")
@click.option("--baseline", metavar="URL|SOCKET", required=True, help="The running release.")
@click.option("--candidate", metavar="URL|SOCKET", required=True, help="The release that may replace it.")
@click.option(
    "--baseline-metrics", metavar="URL", multiple=True, help="Metrics pages of the baseline, if not its own /metrics."
)
@click.option("--candidate-metrics", metavar="URL", multiple=True, help="The same for the candidate.")
@click.option(
    "--minutes", type=click.FloatRange(0.05, 1440), default=5.0, show_default=True, help="Length of the comparison."
)
@click.option(
    "--every", type=click.FloatRange(0.2, 60), default=5.0, show_default=True, help="Seconds between samples."
)
@click.option(
    "--load",
    type=click.FloatRange(0, 600),
    default=12.0,
    show_default=True,
    help="Probe questions per minute per side; 0 disables.",
)
@click.option("--latency-ratio", type=click.FloatRange(1), default=1.5, show_default=True, help="Tolerated slowdown.")
@click.option(
    "--longest",
    type=click.FloatRange(0.1),
    default=30.0,
    show_default=True,
    help="Longest tolerated answer time in seconds.",
)
@click.option(
    "--error-ratio", type=click.FloatRange(0, 1), default=0.01, show_default=True, help="Tolerated failure rate."
)
@click.option(
    "--waiting", type=click.IntRange(1), default=5, show_default=True, help="Queue length that fails the candidate."
)
@click.option("--skip-smoke", is_flag=True, help="Skip the smoke test of the candidate.")
@click.option("--report", type=click.Path(path_type=Path), help="Write a report to this file, as Markdown.")
@token_option
@json_option
def command(
    baseline: str,
    candidate: str,
    baseline_metrics: tuple[str, ...],
    candidate_metrics: tuple[str, ...],
    minutes: float,
    every: float,
    load: float,
    latency_ratio: float,
    longest: float,
    error_ratio: float,
    waiting: int,
    skip_smoke: bool,
    report: Path | None,
    token: str | None,
    as_json: bool,
) -> None:
    """Compare a candidate with the running release, and decide: promote it, or roll it back.

    First the candidate is smoke tested. Then both are sampled and asked the same few questions at the same moments, and
    compared: failures, latency, waiting jobs, growing memory, restarts.

    Exit status: 0 promote, 1 roll back, 2 can't say (too few samples, or the baseline is unhealthy).
    """
    from ops.release.canary_watch import Pace
    from ops.release.probe import Probe
    from ops.release.verdict import Limits

    limits = Limits(latency_ratio=latency_ratio, longest_s=longest, error_ratio=error_ratio, waiting=waiting)
    pace = Pace(minutes=minutes, every_s=every, per_minute=load, longest_s=longest)
    try:
        secret = token or _token()
        sides = [Probe(baseline, secret, baseline_metrics), Probe(candidate, secret, candidate_metrics)]
        with Console(quiet=as_json) as console:
            found = asyncio.run(_compare(sides, pace, limits, console, skip_smoke=skip_smoke))
        if report:
            write_atomically(report, _markdown(baseline, candidate, found).encode())
    except (DocQAError, OSError) as error:
        # Status 1 would blame the candidate.
        echo(f"docqa: {error}", err=True)
        sys.exit(_STATUS["can't say"])
    verdict = found["verdict"]
    if as_json:
        echo(json.dumps({**found, "baseline": baseline, "candidate": candidate}))
    else:
        echo("\n".join([f"{verdict['decision'].capitalize()}:", *(f"  {why}" for why in verdict["reasons"])]))
    sys.exit(_STATUS[verdict["decision"]])


def _token() -> str | None:
    settings = load(UpSettings, environment_with())
    return settings.token.reveal() if settings.token else None


async def _compare(
    sides: list[Any], pace: "Pace", limits: "Limits", console: Console, *, skip_smoke: bool
) -> dict[str, Any]:
    from ops.release.canary_watch import Watch
    from ops.release.smoke_steps import Plan, steps
    from ops.release.verdict import Verdict, decide

    baseline, candidate = sides
    watch = Watch(baseline, candidate, pace, console.work)
    done: list[Step] = []
    async with baseline, candidate:
        if not skip_smoke:
            console.work("Smoke test of the candidate")
            done = [step async for step in steps(candidate, Plan())]
        if failed := [step for step in done if not step.ok]:
            verdict = Verdict("roll back", [f"the smoke test failed at {failed[0].name}: {failed[0].detail}"])
        else:
            await watch.run()
            verdict = decide(*watch.seen, limits)
    return _document(verdict, done, *watch.seen)


def _document(verdict: "Verdict", done: "list[Step]", baseline: "Seen", candidate: "Seen") -> dict[str, Any]:
    return {
        "verdict": msgspec.to_builtins(verdict),
        "smoke": msgspec.to_builtins(done),
        "seen": {"baseline": msgspec.to_builtins(baseline), "candidate": msgspec.to_builtins(candidate)},
    }


def _markdown(baseline: str, candidate: str, found: dict[str, Any]) -> str:
    verdict = found["verdict"]
    lines = [f"# Canary: {verdict['decision']}", "", *(f"- {why}" for why in verdict["reasons"]), ""]
    lines += ["| side | target | samples | not healthy | asked | answered | median s | most waiting | last MiB |"]
    lines += ["|---|---|--:|--:|--:|--:|--:|--:|--:|"]
    for side, target in (("baseline", baseline), ("candidate", candidate)):
        lines.append(_row(side, target, found["seen"][side]))
    if found["smoke"]:
        lines += ["", "Smoke test of the candidate:", ""]
        lines += [f"- {'ok' if step['ok'] else 'FAILED'}: {step['name']}: {step['detail']}" for step in found["smoke"]]
    return "\n".join(lines) + "\n"


def _row(side: str, target: str, seen: dict[str, Any]) -> str:
    looks, sent = seen["looks"], seen["sent"]
    taken = [each["seconds"] for each in sent if each["outcome"] == "answered"]
    cells = [
        side,
        target,
        len(looks),
        sum(not look["is_up"] for look in looks),
        len(sent),
        len(taken),
        f"{statistics.median(taken):.2f}" if taken else "-",
        max((look["waiting"] for look in looks), default=0),
        f"{looks[-1]['memory_bytes'] / 2**20:.0f}" if looks else "-",
    ]
    return f"| {' | '.join(map(str, cells))} |"
