"""`docqa status`: /health as a small table, with every problem in plain words."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from contract.errors import DocQAError
from contract.runtime.terminal import echo
from contract.settings import load
from ops import health_report
from ops.client import Client
from ops.models import tuning_progress
from ops.options import data_dir_option, environment_with, json_option, target_option
from ops.settings import UpSettings


@click.command("status")
@target_option
@data_dir_option
@json_option
def command(target: str | None, data_dir: Path | None, as_json: bool) -> None:
    """Show system status, and every problem in plain words. Exit status 1 if it cannot accept questions."""
    with Client.of(target, load(UpSettings, environment_with(DOCQA_DATA_DIR=data_dir))) as client:
        health = client.health()
    echo(json.dumps(health) if as_json else _table(health))
    if health.get("status") == "unhealthy":
        raise DocQAError(" ".join(health_report.problems(health)))


def _table(health: Mapping[str, Any]) -> str:
    rows = [("status", health.get("status", "unknown"))]
    if "queue_depth" in health:
        rows += [("queue", f"{health['queue_depth']} of {health['queue_capacity']}, {health['running']} running")]
        if words := health_report.library_in_words(health):
            rows += [("library", words)]
    if model := health.get("model"):
        rows += [("model", model["name"])]
    rows += [("worker", _worker(worker)) for worker in health.get("workers", [])]
    if health.get("status") != "unhealthy":
        rows += [("problem", sentence) for sentence in health_report.problems(health)]
    return "\n".join(f"{name:<8}{value}" for name, value in rows)


def _worker(worker: Mapping[str, Any]) -> str:
    return (
        f"{worker['id']}: {worker['busy']} of {worker['slots']} slots busy, {worker['jobs_per_s']:.1f} jobs/s, "
        f"{worker['tokens_per_s']:.1f} tokens/s, {worker['memory_bytes'] / 2**20:.0f} MiB{_tuning(worker)}"
    )


def _tuning(worker: Mapping[str, Any]) -> str:
    words = tuning_progress.in_words(worker)
    return f", {words}" if words else ""
