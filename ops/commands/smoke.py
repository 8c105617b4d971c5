"""`docqa smoke`: tests a running system in less than a minute, with an exit status for pipelines."""

import asyncio
import json
import sys
from pathlib import Path

import click
import msgspec

from contract.runtime.terminal import echo
from contract.settings import load
from ops.options import data_dir_option, environment_with, json_option, metrics_option, target_option, token_option
from ops.settings import UpSettings


@click.command("smoke")
@target_option
@token_option
@metrics_option
@click.option("--jobs", type=click.IntRange(1, 100), default=10, show_default=True, help="Number of questions.")
@click.option("--check-429", is_flag=True, help="Fill the queue until a question is refused, then cancel those jobs.")
@click.option("--within", type=click.FloatRange(1, 600), default=55.0, show_default=True, help="Time limit in seconds.")
@data_dir_option
@json_option
def command(
    target: str | None,
    token: str | None,
    metrics: tuple[str, ...],
    jobs: int,
    check_429: bool,
    within: float,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Test a running system with a few questions.

    Checks its health, asks ten sample questions, brings in a document, finds and erases it, reads its
    metrics, waits until its queue is empty again.
    Exit status: 0 if all steps passed, 1 if one failed.
    """
    from ops.release.probe import Probe
    from ops.release.smoke_steps import Plan, Step, steps

    settings = load(UpSettings, environment_with(DOCQA_DATA_DIR=data_dir))
    address = target or str(settings.socket_path)
    secret = token or (settings.token.reveal() if settings.token else None)

    async def run() -> list[Step]:
        done: list[Step] = []
        async with Probe(address, secret, metrics) as probe:
            async for step in steps(probe, Plan(jobs, check_429, within)):
                done.append(step)
                if not as_json:
                    echo(f"{'ok' if step.ok else 'FAILED':<8}{step.name:<9}{step.detail}")
        return done

    done = asyncio.run(run())
    is_well = all(step.ok for step in done)
    if as_json:
        echo(json.dumps({"ok": is_well, "target": address, "steps": msgspec.to_builtins(done)}))
    sys.exit(0 if is_well else 1)
