"""`docqa nats`: runs the message bus alone, in the foreground."""

import asyncio
import json
import math
import os
from pathlib import Path

import click

from contract.runtime import tasks
from contract.runtime.systemd import Notifier
from contract.runtime.terminal import echo
from contract.settings import BusSettings, load
from ops.console import Console, silence_logs
from ops.nats import disk
from ops.nats.admin import provision_as_admin
from ops.nats.endpoint import endpoint_of
from ops.nats.server import STOPS_WITHIN_S, NatsServer
from ops.options import data_dir_option, environment_with, json_option, ready_file_option
from ops.settings import NatsSettings
from ops.supervisor.data_dir import locked
from ops.supervisor.ready_file import ReadyFile
from ops.supervisor.signals import Stop
from ops.supervisor.supervisor import Supervisor, watch

_PROBES_EVERY_S = 5.0


@click.command("nats")
@data_dir_option
@ready_file_option
@json_option
def command(data_dir: Path | None, ready_file: Path | None, as_json: bool) -> None:
    """Run the embedded nats-server, with its streams, until Ctrl-C.

    If DOCQA_NATS_URL is set, create or update the streams on that server instead, as its user `admin`, and end.
    """
    environment = environment_with(DOCQA_DATA_DIR=data_dir)
    settings = load(NatsSettings, environment)
    notifier = Notifier.from_environment(environment, os.getpid())
    silence_logs()
    if environment.get("DOCQA_NATS_URL"):
        asyncio.run(provision_as_admin(load(BusSettings, environment), settings))
        notifier.ready()
        echo(json.dumps({"nats_url": environment["DOCQA_NATS_URL"]}) if as_json else "Streams created or up to date.")
    else:
        asyncio.run(_run(settings, notifier, ready_file, as_json))


async def _run(settings: NatsSettings, notifier: Notifier, ready_path: Path | None, as_json: bool) -> None:
    stop, endpoint = Stop(), endpoint_of(settings)
    with locked(settings.data_dir), Console(quiet=as_json) as console:
        ready_file = ReadyFile(ready_path)
        server = NatsServer(settings.data_dir, settings, endpoint, settings.credentials)
        supervisor = Supervisor(server, console, lambda: ready_file.write(_describe(server, supervisor)))

        async def serve() -> None:
            await supervisor.start()
            ready_file.write(_describe(server, supervisor))
            notifier.ready()
            echo(json.dumps(_describe(server, supervisor)) if as_json else f"The message bus listens at {server.url}")
            await asyncio.gather(watch(supervisor), notify_watchdog(notifier, server, supervisor))

        try:
            await stop.unless_asked(serve())
        finally:
            notifier.stopping()
            ready_file.remove()
            await supervisor.stop(STOPS_WITHIN_S)
            await tasks.end_others()


async def notify_watchdog(notifier: Notifier, server: NatsServer, supervisor: Supervisor) -> None:
    """Notify the service manager's watchdog until cancelled, except while a running server does not answer."""
    while notifier.watchdog_s < math.inf:
        # Between two starts, which may take until the disk has room, the supervisor itself counts as alive.
        if not supervisor.is_up or await asyncio.to_thread(disk.answers, server.monitoring):
            notifier.alive()
        await asyncio.sleep(min(_PROBES_EVERY_S, notifier.watchdog_s / 3))


def _describe(server: NatsServer, supervisor: Supervisor) -> dict[str, object]:
    return {
        "nats_url": server.url,
        "nats_monitoring": server.monitoring,
        "pids": {"up": os.getpid(), "nats": supervisor.pid},
        "data_dir": str(server.data_dir),
        "credentials": str(server.credentials.folder),
    }
