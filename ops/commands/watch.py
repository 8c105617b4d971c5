"""`docqa watch`: system status, live: queue, workers, rates, refusals, problems."""

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from contract.runtime.terminal import echo, rich_console
from contract.settings import load
from ops import health_report
from ops.client import Client
from ops.models import tuning_progress
from ops.options import data_dir_option, environment_with, json_option, target_option
from ops.settings import UpSettings

if TYPE_CHECKING:
    from rich.console import RenderableType

_REQUESTS: Final = "goblin_docqa_requests_total"
_ASK: Final = "/api/query"


@click.command("watch")
@click.option(
    "--interval", type=click.FloatRange(0.2, 60), default=1.0, show_default=True, help="Seconds between samples."
)
@click.option("--count", type=click.IntRange(1), help="Number of samples. [default: until Ctrl-C]")
@target_option
@data_dir_option
@json_option
def command(interval: float, count: int | None, target: str | None, data_dir: Path | None, as_json: bool) -> None:
    """Show queue, workers, rates, refusals and problems until Ctrl-C; with --json one line per sample."""
    with Client.of(target, load(UpSettings, environment_with(DOCQA_DATA_DIR=data_dir))) as client:
        samples = _samples(client, interval, count)
        if as_json:
            for sample in samples:
                echo(json.dumps(sample))
        else:
            _show(samples)


def _samples(client: Client, interval_s: float, count: int | None) -> Iterator[dict[str, Any]]:
    """The body of /health, with the rates since the previous sample under `rates`."""
    before, at_s = _requests(client), time.monotonic()
    number = 0
    while count is None or number < count:
        time.sleep(interval_s)
        now, now_s = _requests(client), time.monotonic()
        yield {**client.health(), "rates": _rates(before, now, now_s - at_s)}
        before, at_s = now, now_s
        number += 1


def _requests(client: Client) -> dict[str, float]:
    """Questions asked so far, by status code."""
    # Imported here, because it is slow to import.
    from prometheus_client.parser import text_string_to_metric_families

    found: dict[str, float] = {}
    for family in text_string_to_metric_families(client.metrics()):
        for sample in family.samples:
            if sample.name == _REQUESTS and sample.labels["endpoint"] == _ASK:
                status = sample.labels["status_code"]
                found[status] = found.get(status, 0) + sample.value
    return found


def _rates(before: Mapping[str, float], now: Mapping[str, float], seconds: float) -> dict[str, float]:
    """Questions per second by outcome; never below 0, although a restarted ingress counts from 0."""
    grown = {status: max(value - before.get(status, 0), 0) for status, value in now.items()}
    kinds = {
        "answered_per_s": ("200",),
        "accepted_per_s": ("202",),
        "refused_per_s": ("429",),
        "failed_per_s": tuple(status for status in grown if status >= "500"),
    }
    return {name: round(sum(grown.get(status, 0) for status in of) / seconds, 2) for name, of in kinds.items()}


def _show(samples: Iterator[dict[str, Any]]) -> None:
    from rich.live import Live

    with Live(console=rich_console(), refresh_per_second=4) as live:
        for sample in samples:
            live.update(_drawn(sample))


def _drawn(sample: Mapping[str, Any]) -> "RenderableType":
    from rich.console import Group
    from rich.markup import escape
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    facts = Table.grid(padding=(0, 2))
    facts.add_row("status", sample["status"])
    if "queue_depth" in sample:
        depth, capacity = sample["queue_depth"], sample["queue_capacity"]
        facts.add_row("queue", f"{depth} of {capacity}, {sample['running']} running")
        facts.add_row("", ProgressBar(total=capacity, completed=depth, width=40))
    if (outside := sample.get("outside", {})).get("clients"):
        facts.add_row("told to come back", _spread(outside))
    facts.add_row("per second", ", ".join(f"{value:g} {_word(name)}" for name, value in sample["rates"].items()))
    facts.add_row("library", library) if (library := health_report.library_in_words(sample)) else None
    workers = sample.get("workers", [])
    facts.add_row("model", words) if (words := _tuning(workers)) else None
    for sentence in health_report.problems(sample):
        facts.add_row("problem", escape(sentence))
    return Group(facts, _workers(workers))


def _spread(outside: Mapping[str, Any]) -> str:
    """How many refused clients are outside, and when they are due."""
    times = f"in {outside['soonest_s']:g} to {outside['latest_s']:g} s, half of them within {outside['median_s']:g} s"
    return f"{outside['clients']} clients, {times}"


def _tuning(workers: list[dict[str, Any]]) -> str:
    return "; ".join(filter(None, map(tuning_progress.in_words, workers)))


def _workers(workers: list[dict[str, Any]]) -> "RenderableType":
    from rich.table import Table

    table = Table("worker", "model", "slots busy", "jobs/s", "tokens/s", "memory", box=None, padding=(1, 2, 0, 0))
    for worker in workers:
        table.add_row(
            worker["id"][-12:],
            worker["model"],
            f"{worker['busy']} of {worker['slots']}",
            f"{worker['jobs_per_s']:.1f}",
            f"{worker['tokens_per_s']:.1f}",
            f"{worker['memory_bytes'] / 2**20:.0f} MiB",
        )
    return table


def _word(name: str) -> str:
    return name.removesuffix("_per_s")
