"""`docqa usage`: answers and tokens by client and backend, what the proxy cost, and advice."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Annotated, Final, TypeVar

import click
from msgspec import Meta, field

from contract.bus import Bus
from contract.runtime.terminal import echo, rich_console
from contract.settings import QueueSettings, load
from contract.topology import is_name
from ops.console import silence_logs
from ops.nats.admin import admin_bus
from ops.options import data_dir_option, environment_with, json_option
from ops.usage import days as usage_days
from ops.usage import report as usage_report

_MOST_DAYS: Final = 92

T = TypeVar("T")


class UsageSettings(QueueSettings, frozen=True, kw_only=True):
    """The data folder, and the budget that usage is compared with."""

    token_budget_daily: Annotated[int, Meta(ge=0, le=10**12)] | None = field(
        default=None, name="COPILOT_TOKEN_BUDGET_DAILY"
    )


@click.command("usage")
@click.option(
    "--days", type=click.IntRange(1, _MOST_DAYS), default=7, show_default=True, help="Number of days, today included."
)
@click.option("--clear-cache", metavar="CLIENT", help="Delete the cached proxy answers of a client, or of ALL.")
@data_dir_option
@json_option
def command(days: int, clear_cache: str | None, data_dir: Path | None, as_json: bool) -> None:
    """Show answers and tokens by day and client, what the proxy cost, and a forecast against its budget.

    Days are in UTC. The message bus must be running.
    """
    environment = environment_with(DOCQA_DATA_DIR=data_dir)
    settings = load(UsageSettings, environment)
    silence_logs()

    def with_bus(work: Callable[[Bus], Awaitable[T]]) -> T:
        return asyncio.run(_as_admin(environment, settings.data_dir, work))

    if clear_cache is not None:
        _check_client(clear_cache)
        count = with_bus(lambda bus: usage_days.clear_cache(bus, clear_cache))
        echo(json.dumps({"cleared": count}) if as_json else f"{count} cached answers deleted.")
        return
    found = with_bus(lambda bus: usage_days.read(bus, days))
    report = usage_report.report(found, settings.token_budget_daily)
    if as_json:
        echo(json.dumps(report))
    else:
        _show(report)


def _check_client(name: str) -> None:
    if name != usage_days.EVERYBODY and not is_name(name):
        raise click.UsageError("--clear-cache: a client's name has 1 to 64 characters of a-z, 0-9, _ and -; or ALL.")


async def _as_admin(environment: Mapping[str, str], data_dir: Path, work: Callable[[Bus], Awaitable[T]]) -> T:
    async with admin_bus(environment, data_dir) as bus:
        return await work(bus)


def _show(report: Mapping[str, object]) -> None:
    from ops.usage.picture import picture

    rich_console(highlight=False).print(picture(report))
