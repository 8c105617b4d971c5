"""`docqa up`: reads the options and runs the whole system until the user stops it."""

import asyncio
from pathlib import Path

import click

from contract.address import parse_address
from contract.runtime import tasks
from contract.settings import load
from ops.console import Console, silence_logs
from ops.options import data_dir_option, environment_with, json_option, ready_file_option
from ops.settings import UpSettings
from ops.stack import Up
from ops.supervisor.data_dir import locked
from ops.supervisor.ready_file import ReadyFile
from ops.supervisor.signals import Stop


@click.command("up")
@data_dir_option
@click.option(
    "--http", metavar="HOST:PORT", help="Address to listen on; port 0 picks a free one. [default: 127.0.0.1:8000]"
)
@click.option("--uds", type=click.Path(path_type=Path), help="Unix socket. [default: docqa.sock in the data folder]")
@click.option(
    "--queue-size", type=click.IntRange(1), help="Most jobs that wait or run. [default: MAX_QUEUE_SIZE or 4 a slot]"
)
@click.option("--slots", type=click.IntRange(1), help="Jobs that run at once. [default: DOCQA_SLOTS or 8]")
@click.option("--engine", type=click.Choice(["llama", "echo"]), help="`echo` is a fake engine for tests.")
@click.option(
    "--echo-delay", type=click.FloatRange(0), metavar="SECONDS", help="How long the fake engine takes per job."
)
@ready_file_option
@json_option
def command(
    data_dir: Path | None,
    http: str | None,
    uds: Path | None,
    queue_size: int | None,
    slots: int | None,
    engine: str | None,
    echo_delay: float | None,
    ready_file: Path | None,
    as_json: bool,
) -> None:
    """Run everything in the foreground until Ctrl-C: message bus, worker, library, ingress.

    Ctrl-C drains: running jobs finish (up to DOCQA_DRAIN_S), waiting jobs stay on disk for the next start.
    A second Ctrl-C stops at once. All other settings come from the environment.
    """
    host, port = parse_address(http, "--http") if http else (None, None)
    environment = environment_with(
        DOCQA_DATA_DIR=data_dir,
        DOCQA_HOST=host,
        DOCQA_PORT=port,
        DOCQA_UDS=uds,
        MAX_QUEUE_SIZE=queue_size,
        DOCQA_SLOTS=slots,
        DOCQA_ENGINE=engine,
        DOCQA_ECHO_DELAY_S=echo_delay,
    )
    settings = load(UpSettings, environment)
    silence_logs()
    with locked(settings.data_dir), Console(quiet=as_json) as console:
        asyncio.run(_run(Up(settings, environment, console, ReadyFile(ready_file), as_json=as_json)))


async def _run(up: "Up") -> None:
    stop = Stop()
    try:
        await stop.unless_asked(up.serve())
    finally:
        await up.drain(stop)
        await tasks.end_others()
