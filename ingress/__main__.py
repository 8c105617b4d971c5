"""Run the ingress: read the settings, open the listeners, serve until a signal."""

import argparse
import asyncio
import json
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import structlog
import uvloop

from contract import logs, settings, topology
from contract.bus import Bus
from contract.errors import AlreadyRunningError, BusError, SettingsError
from contract.files import write_atomically
from ingress.admission import Admission
from ingress.app import create_app
from ingress.fleet import Fleet
from ingress.listeners import Listeners, address_of, count_inherited, listening
from ingress.metrics import Counted
from ingress.replies import Replies
from ingress.routes import Services
from ingress.server import Server
from ingress.settings import IngressSettings

ROLE = "ingress"

log = structlog.get_logger(__name__)


def main() -> int:
    """Exit status: 0 after a signal, 2 with a sentence when it can't start."""
    parser = argparse.ArgumentParser(prog="docqa ingress", description="Take questions over HTTP.")
    parser.add_argument("--ready-file", type=Path, help="write the addresses here, as JSON, once they are served")
    arguments = parser.parse_args()
    try:
        run(os.environ, arguments.ready_file)
    except (SettingsError, AlreadyRunningError) as error:
        print(f"docqa ingress: {error}", file=sys.stderr)  # noqa: T201  # the one sentence that a start gives up with
        return 2
    return 0


def run(environment: Mapping[str, str], ready_file: Path | None) -> None:
    """Serve until SIGTERM or SIGINT."""
    loaded = settings.load(IngressSettings, environment)
    logs.configure(loaded.environment, ROLE)
    if loaded.root:
        log.warning("DOCQA_ROOT is reserved and not used yet")
    with listening(loaded, count_inherited(environment, os.getpid())) as listeners:
        uvloop.run(serve(loaded, listeners, ready_file))


async def serve(loaded: IngressSettings, listeners: Listeners, ready_file: Path | None) -> None:
    """Connect to the bus in the background and serve at once: without the bus we say so."""
    bus, fleet = Bus(), Fleet()
    services = Services(loaded, bus, fleet, Replies(bus), Admission(bus, fleet, loaded.max_body_bytes))
    server = Server(Counted(create_app(services), metrics_address(listeners)), services.replies.release)
    connecting = asyncio.create_task(connect(services), name="connect to the bus")
    connecting.add_done_callback(lambda task: stop_if_failed(task, server))
    if ready_file:
        write_atomically(ready_file, json.dumps(describe(listeners)).encode())
    await server.serve_on(listeners.all)
    connecting.cancel()
    await bus.close()
    if connecting.done() and not connecting.cancelled():
        connecting.result()


def stop_if_failed(connecting: "asyncio.Task[None]", server: Server) -> None:
    """Trying never ends by itself: if it does, nothing would ever be accepted again."""
    if not connecting.cancelled() and connecting.exception():
        server.stop()


async def connect(services: Services) -> None:
    """Connect and listen to what workers say; runs once, the connection mends itself later."""
    bus = services.bus

    async def catch_up() -> None:
        await call_the_roll(bus)
        await services.replies.look_up_all()

    await bus.connect(services.settings, ROLE, on_reconnect=catch_up)
    await bus.subscribe(topology.results_subjects(topology.HTTP_PUBLISHER), services.replies.hear)
    await bus.subscribe(topology.WORKER_SUBJECTS, services.fleet.hear)
    await call_the_roll(bus)
    log.info("bus connected")


async def call_the_roll(bus: Bus) -> None:
    """Ask all workers to announce themselves now, not within seconds."""
    try:
        await bus.publish(topology.ROLL_CALL_SUBJECT, b"")
    except BusError as error:
        log.warning("no roll call", error=str(error))


def metrics_address(listeners: Listeners) -> tuple[str, int]:
    host, port = listeners.metrics.getsockname()[:2]
    return host, port


def describe(listeners: Listeners) -> dict[str, object]:
    """What the ready file says."""
    return {
        "pid": os.getpid(),
        "http": listeners.address(socket.AF_INET) or listeners.address(socket.AF_INET6),
        "uds": listeners.address(socket.AF_UNIX),
        "metrics": address_of(listeners.metrics),
    }


if __name__ == "__main__":
    sys.exit(main())
