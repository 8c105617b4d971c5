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
from contract.address import address_of
from contract.bus import Bus
from contract.errors import BusError
from contract.runtime import tasks
from contract.runtime.files import write_atomically
from contract.runtime.startup import prepared, run_service
from contract.runtime.systemd import Notifier
from ingress.app import create_asgi
from ingress.auth.token_watch import keep_up
from ingress.server.listeners import Listeners, count_inherited, listening, refuse_open_listeners
from ingress.server.server import Server
from ingress.services import Services
from ingress.settings import IngressSettings

ROLE = "ingress"

BUS_WITHIN_S: Final = 2.0
"""How long connections wait at the start for the bus, which usually takes milliseconds, before they get 503."""

log = structlog.get_logger(__name__)


def main() -> int:
    """Exit status: 0 after a signal, 2 with a sentence when it can't start, 71 when it is cut off from the bus."""
    return run_service(ROLE, "Take questions over HTTP.", lambda ready_file: run(os.environ, ready_file))


def run(environment: Mapping[str, str], ready_file: Path | None) -> None:
    """Serve until SIGTERM or SIGINT."""
    with contextlib.ExitStack() as stack:
        loaded, tracer = stack.enter_context(prepared(IngressSettings, ROLE, environment))
        listeners = stack.enter_context(listening(loaded, count_inherited(environment, os.getpid())))
        if loaded.token is None and loaded.tokens is None:
            refuse_open_listeners(listeners)
        services = Services.of(loaded, Bus(), tracer)
        uvloop.run(serve(services, listeners, ready_file, Notifier.from_environment(environment, os.getpid())))


async def serve(services: Services, listeners: Listeners, ready_file: Path | None, notifier: Notifier) -> None:
    """Connect to the bus in the background, wait BUS_WITHIN_S for it, then serve; without the bus, requests get 503."""
    background: list[asyncio.Task[None]] = []

    async def until_connected() -> None:
        await asyncio.wait(background[:1], timeout=BUS_WITHIN_S)

    app = create_asgi(services, metrics_address(listeners))
    server = Server(app, services.replies.release, notifier, until_connected)
    with audit_kept(services):
        background += [start(name, work, server) for name, work in background_work(services)]
        if ready_file:
            write_atomically(ready_file, json.dumps(describe(listeners)).encode())
        await server.serve_on(listeners.all)
        await tasks.end(*background)
    await services.bus.close()
    for task in background:
        if task.done() and not task.cancelled():
            task.result()


@contextlib.contextmanager
def audit_kept(services: Services) -> Iterator[None]:
    """Keep the audit log open for the time of a block, if one is configured; raises SettingsError."""
    if services.audit_log is None:
        yield
        return
    services.audit_log.start()
    try:
        yield
    finally:
        services.audit_log.close()


def start(name: str, work: Coroutine[Any, Any, None], server: Server) -> "asyncio.Task[None]":
    """Run this beside serving. If it fails the ingress stops: it would accept nothing, or honour a revoked token."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(lambda ended: server.stop() if not ended.cancelled() and ended.exception() else None)
    return task


def background_work(services: Services) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
    """Names and coroutines that run while requests are served; the connection to the bus comes first."""
    yield "connect to the bus", connect(services)
    yield "watch the bus", services.bus.watch()
    yield "measure the bus's clock", services.bus.clock.keep_measuring()
    yield "count queue slots", services.quota.keep_counting()
    if services.tokens:
        yield "read tokens", keep_up(services.tokens, services.keyring)


async def connect(services: Services) -> None:
    """Connect and subscribe to results and announcements; runs once, the connection restores itself later."""
    bus = services.bus

    async def catch_up() -> None:
        await request_announcements(bus)
        await services.replies.look_up_all()
        await services.quota.recount_if_counting()

    async def on_result(message: Msg) -> None:
        services.quota.on_result(message.subject)
        await services.replies.on_message(message)

    await bus.connect(services.settings, ROLE, on_reconnect=catch_up)
    await bus.subscribe(topology.results_subjects(topology.HTTP_PUBLISHER), on_result)
    await bus.subscribe(topology.WORKER_SUBJECTS, services.fleet.on_message)
    await request_announcements(bus)
    log.info("bus connected")


async def request_announcements(bus: Bus) -> None:
    """Ask all workers to announce themselves now, instead of at their next interval."""
    try:
        await bus.publish(topology.ROLL_CALL_SUBJECT, b"")
    except BusError as error:
        log.warning("workers not asked for announcements", error=str(error))


def metrics_address(listeners: Listeners) -> tuple[str, int]:
    host, port = listeners.metrics.getsockname()[:2]
    return host, port


def describe(listeners: Listeners) -> dict[str, object]:
    """The content of the ready file."""
    return {
        "pid": os.getpid(),
        "http": listeners.address(socket.AF_INET) or listeners.address(socket.AF_INET6),
        "uds": listeners.address(socket.AF_UNIX),
        "metrics": address_of(listeners.metrics),
    }


if __name__ == "__main__":
    sys.exit(main())
