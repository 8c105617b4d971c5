"""`docqa usage`: who was answered by what, what the proxy cost, and what to do about it."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Annotated, Final, TypeVar

import click
from msgspec import Meta, field

from contract.bus import Bus, connected
from contract.errors import BusError, DocQAError
from contract.settings import BusSettings, load
from contract.topology import is_name
from ops.console import silence_logs
from ops.nats import address
from ops.options import data_dir_option, environment_with, json_option
from ops.settings import UpSettings
from ops.usage import days as usage_days
from ops.usage import report as usage_report

_ANSWERS_WITHIN_S: Final = 5.0
_MOST_DAYS: Final = 92

T = TypeVar("T")


class UsageSettings(BusSettings, frozen=True, kw_only=True):
    """Where the numbers are, and what they are held against."""

    token_budget_daily: Annotated[int, Meta(ge=0, le=10**12)] | None = field(
        default=None, name="COPILOT_TOKEN_BUDGET_DAILY"
    )


@click.command("usage")
@click.option(
    "--days", type=click.IntRange(1, _MOST_DAYS), default=7, show_default=True, help="Today and those before."
)
@click.option("--clear-cache", metavar="CLIENT", help="Forget the proxy's answers to a client; ALL: to everybody.")
@data_dir_option
@json_option
def command(days: int, clear_cache: str | None, data_dir: Path | None, as_json: bool) -> None:
    """Show answers and tokens by day and client, what the proxy cost, and a forecast against its budget.

    Days are days in UTC. Reads from the bus, as its admin: it must run.
    """
    environment = environment_with(DOCQA_DATA_DIR=data_dir)
    folder = load(UpSettings, environment).data_dir
    if not environment.get("DOCQA_NATS_URL"):
        environment |= address.environment_for(folder, "admin")
    settings = load(UsageSettings, environment)
    if not environment.get("DOCQA_NATS_URL"):
        raise DocQAError(f"No bus ever ran on {folder}: start it with `docqa up`, or name one with DOCQA_NATS_URL.")
    silence_logs()
    if clear_cache is not None:
        return _clear(settings, clear_cache, as_json=as_json)
    found = _with_bus(settings, lambda bus: usage_days.read(bus, days))
    report = usage_report.report(found, settings.token_budget_daily)
    if as_json:
        click.echo(json.dumps(report))
    else:
        _show(report)


def _clear(settings: BusSettings, client: str, *, as_json: bool) -> None:
    if client != usage_days.EVERYBODY and not is_name(client):
        raise click.UsageError("--clear-cache: a client's name has 1 to 64 characters of a-z, 0-9, _ and -; or ALL.")
    count = _with_bus(settings, lambda bus: usage_days.clear_cache(bus, client))
    click.echo(json.dumps({"cleared": count}) if as_json else f"{count} answers are forgotten.")


def _with_bus(settings: BusSettings, work: Callable[[Bus], Awaitable[T]]) -> T:
    async def run() -> T:
        try:
            async with asyncio.timeout(_ANSWERS_WITHIN_S), connected(settings, "admin") as bus:
                return await work(bus)
        except TimeoutError:
            raise BusError("The bus does not let the admin in: is `docqa up` or `docqa nats` running?") from None

    return asyncio.run(run())


def _show(report: Mapping[str, object]) -> None:
    import rich.console

    from ops.usage.picture import picture

    rich.console.Console(highlight=False).print(picture(report))
