"""`docqa preflight`: finds what would keep a start from succeeding, before it or beside a running stack."""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import msgspec

from contract.runtime.terminal import echo, rich_console
from contract.settings import load
from ops.console import Console
from ops.options import data_dir_option, environment_with, json_option
from ops.preflight.finding import Finding
from ops.settings import UpSettings

if TYPE_CHECKING:
    from ops.preflight.context import Context

_MARKS: Final = {"ok": "[green]ok[/]", "warning": "[yellow]warning[/]", "failure": "[red]failure[/]"}
_WIDTH_OF_FILES: Final = 130


@click.command("preflight")
@click.option("--strict", is_flag=True, help="Treat warnings as failures.")
@click.option("--socket-activated", is_flag=True, help="systemd provides the socket: no TCP port is needed.")
@click.option(
    "--nats-monitoring", metavar="URL", help="Monitoring URL of an external nats-server (its `http` setting)."
)
@data_dir_option
@json_option
def command(
    strict: bool, socket_activated: bool, nats_monitoring: str | None, data_dir: Path | None, as_json: bool
) -> None:
    """Check the settings and this machine before a start, or beside a running stack; change nothing.

    Exit status: 0 if a start would succeed (warnings are shown), 1 if not, or with --strict if there are warnings.
    """
    environment = environment_with(DOCQA_DATA_DIR=data_dir)
    settings = load(UpSettings, environment)
    with Console(quiet=as_json) as console:
        console.work("Checking the settings and the machine")
        from ops.preflight import context

        found = list(_findings(context.gather(settings, environment), nats_monitoring, is_activated=socket_activated))
    stops = {"failure", "warning"} if strict else {"failure"}
    is_good = not any(finding.status in stops for finding in found)
    if as_json:
        echo(json.dumps(_document(found, is_good)))
    else:
        _show(found)
    sys.exit(0 if is_good else 1)


def _findings(context: "Context", monitoring: str | None, *, is_activated: bool) -> Iterator[Finding]:
    # Imported here: `docqa --help` must not pay for it.
    from ops.preflight import bus, clock, disk, documents, machine, memory, ports, queue, secrets

    checks: list[Callable[[], list[Finding]]] = [
        lambda: queue.check(context),
        lambda: machine.check(context),
        lambda: memory.check(context),
        lambda: disk.check(context),
        lambda: bus.check(context, monitoring),
        lambda: documents.check(context),
        lambda: asyncio.run(documents.check_role(context)),
        lambda: secrets.check(context),
        lambda: clock.check(context, monitoring),
        lambda: ports.check(context, is_activated=is_activated),
    ]
    for check in checks:
        yield from check()


def _document(found: list[Finding], is_good: bool) -> dict[str, object]:
    return {
        "ok": is_good,
        "warnings": sum(finding.status == "warning" for finding in found),
        "failures": sum(finding.status == "failure" for finding in found),
        "checks": msgspec.to_builtins(found),
    }


def _show(found: list[Finding]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for finding in found:
        cure = f"\n→ {escape(finding.cure)}" if finding.cure else ""
        table.add_row(_MARKS[finding.status], finding.name, escape(finding.detail) + cure)
    console = rich_console(width=None if sys.stdout.isatty() else _WIDTH_OF_FILES, highlight=False)
    console.print(table)
    console.print(_summary(found))


def _summary(found: list[Finding]) -> str:
    counts = {status: sum(finding.status == status for finding in found) for status in _MARKS}
    words = [
        f"{count} {status}{'s' if count > 1 and status != 'ok' else ''}" for status, count in counts.items() if count
    ]
    return ", ".join(words)
