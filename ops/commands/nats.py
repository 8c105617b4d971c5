"""`docqa nats`: the bus alone, in the foreground."""

import asyncio
import json
import math
import os
from pathlib import Path

import click

from contract.runtime import tasks
from contract.runtime.systemd import Notifier
from contract.settings import BusSettings, load
from ops.console import Console, silence_logs
from ops.nats import disk
from ops.nats.admin import provision_elsewhere
from ops.nats.endpoint import door
from ops.nats.server import STOPS_WITHIN_S, NatsServer
from ops.options import data_dir_option, environment_with, json_option, ready_file_option
from ops.settings import NatsSettings
from ops.supervisor.data_dir import claimed
from ops.supervisor.keeper import Keeper, watch
from ops.supervisor.ready_file import ReadyFile
from ops.supervisor.signals import Stop

_LOOKS_EVERY_S = 5.0


@click.command("nats")
@data_dir_option
@ready_file_option
@json_option
def command(data_dir: Path | None, ready_file: Path | None, as_json: bool) -> None:
    """Run the embedded nats-server, with its streams, until Ctrl-C.

    With DOCQA_NATS_URL set, make the streams on that server instead, as its user `admin`, and end.
    """
    environment = environment_with(DOCQA_DATA_DIR=data_dir)
    settings = load(NatsSettings, environment)
    notifier = Notifier.from_environment(environment, os.getpid())
    silence_logs()
    if environment.get("DOCQA_NATS_URL"):
        asyncio.run(provision_elsewhere(load(BusSettings, environment), settings))
        notifier.ready()
        click.echo(json.dumps({"nats_url": environment["DOCQA_NATS_URL"]}) if as_json else "The streams are there.")
    else:
        asyncio.run(_run(settings, notifier, ready_file, as_json))


async def _run(settings: NatsSettings, notifier: Notifier, ready_path: Path | None, as_json: bool) -> None:
    stop, own_door = Stop(), door(settings)
    with claimed(settings.data_dir), Console(quiet=as_json) as console:
        ready_file = ReadyFile(ready_path)
        server = NatsServer(settings.data_dir, settings, own_door, settings.credentials)
        keeper = Keeper(server, console, lambda: ready_file.write(_describe(server, keeper)))

        async def serve() -> None:
            await keeper.start()
            ready_file.write(_describe(server, keeper))
            notifier.ready()
            click.echo(json.dumps(_describe(server, keeper)) if as_json else f"The bus is at {server.url}")
            await asyncio.gather(watch(keeper), show_life(notifier, server, keeper))

        try:
            await stop.unless_asked(serve())
        finally:
            notifier.stopping()
            ready_file.remove()
            await keeper.stop(STOPS_WITHIN_S)
            await tasks.end_others()


async def show_life(notifier: Notifier, server: NatsServer, keeper: Keeper) -> None:
    """Tell the service manager that all is well, until cancelled; not while a server that runs says nothing."""
    while notifier.watchdog_s < math.inf:
        # Between two starts, which may take until a disk has room, the keeper is what lives.
        if not keeper.is_up or await asyncio.to_thread(disk.answers, server.monitoring):
            notifier.alive()
        await asyncio.sleep(min(_LOOKS_EVERY_S, notifier.watchdog_s / 3))


def _describe(server: NatsServer, keeper: Keeper) -> dict[str, object]:
    return {
        "nats_url": server.url,
        "nats_monitoring": server.monitoring,
        "pids": {"up": os.getpid(), "nats": keeper.pid},
        "data_dir": str(server.data_dir),
        "credentials": str(server.credentials.folder),
    }
