"""Run the ingress: read the settings, open the listeners, serve until a signal."""

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import structlog
import uvloop
from nats.aio.msg import Msg

from contract import topology
from contract.bus import Bus
from contract.errors import BusError
from contract.runtime import tasks
from contract.runtime.files import write_atomically
from contract.runtime.startup import prepared, run_service
from contract.runtime.systemd import Notifier
from ingress.app import create_asgi
from ingress.auth.token_watch import keep_up
from ingress.server.listeners import Listeners, address_of, count_inherited, listening, refuse_open_doors
from ingress.server.server import Server
from ingress.services import Services
from ingress.settings import IngressSettings

ROLE = "ingress"

BUS_WITHIN_S: Final = 2.0
"""Usually milliseconds. After a restart clients wait so long for the bus before they are refused."""

log = structlog.get_logger(__name__)


def main() -> int:
    """Exit status: 0 after a signal, 2 with a sentence when it can't start, 71 when it is cut off from the bus."""
    return run_service(ROLE, "Take questions over HTTP.", lambda ready_file: run(os.environ, ready_file))


def run(environment: Mapping[str, str], ready_file: Path | None) -> None:
    """Serve until SIGTERM or SIGINT."""
    with contextlib.ExitStack() as stack:
        loaded, tracer = stack.enter_context(prepared(IngressSettings, ROLE, environment))
        if loaded.root:
            log.warning("DOCQA_ROOT is reserved and not used yet")
        listeners = stack.enter_context(listening(loaded, count_inherited(environment, os.getpid())))
        if loaded.token is None and loaded.tokens is None:
            refuse_open_doors(listeners)
        services = Services.of(loaded, Bus(), tracer)
        uvloop.run(serve(services, listeners, ready_file, Notifier.from_environment(environment, os.getpid())))


async def serve(services: Services, listeners: Listeners, ready_file: Path | None, notifier: Notifier) -> None:
    """Connect to the bus in the background; give it a moment, then serve: without the bus we say so."""
    beside: list[asyncio.Task[None]] = []

    async def until_connected() -> None:
        await asyncio.wait(beside[:1], timeout=BUS_WITHIN_S)

    app = create_asgi(services, metrics_address(listeners))
    server = Server(app, services.replies.release, notifier, until_connected)
    with audit_kept(services):
        beside += [start(name, work, server) for name, work in work_beside(services)]
        if ready_file:
            write_atomically(ready_file, json.dumps(describe(listeners)).encode())
        await server.serve_on(listeners.all)
        await tasks.end(*beside)
    await services.bus.close()
    for task in beside:
        if task.done() and not task.cancelled():
            task.result()


@contextlib.contextmanager
def audit_kept(services: Services) -> Iterator[None]:
    """Keep the audit log for the time of a block, where one is wanted; raises SettingsError."""
    if services.audit_log is None:
        yield
        return
    services.audit_log.start()
    try:
        yield
    finally:
        services.audit_log.close()


def start(name: str, work: Coroutine[Any, Any, None], server: Server) -> "asyncio.Task[None]":
    """Do this beside serving. If it fails the whole ends: nothing would be accepted, or a revoked token stay good."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(lambda ended: server.stop() if not ended.cancelled() and ended.exception() else None)
    return task


def work_beside(services: Services) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
    """What goes on while requests are served; the connection to the bus comes first."""
    yield "connect to the bus", connect(services)
    yield "watch the bus", services.bus.watch()
    yield "count places", services.places.keep_counting()
    if services.tokens:
        yield "read tokens", keep_up(services.tokens, services.keyring)


async def connect(services: Services) -> None:
    """Connect and listen to what workers say; runs once, the connection mends itself later."""
    bus = services.bus

    async def catch_up() -> None:
        await call_the_roll(bus)
        await services.replies.look_up_all()
        await services.places.recount_if_counting()

    async def hear_result(message: Msg) -> None:
        services.places.hear(message.subject)
        await services.replies.hear(message)

    await bus.connect(services.settings, ROLE, on_reconnect=catch_up)
    await bus.subscribe(topology.results_subjects(topology.HTTP_PUBLISHER), hear_result)
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
