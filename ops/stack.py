"""The whole system as `docqa up` runs it: its parts, the order in which they start and stop, their addresses."""

import asyncio
import json
import os
from collections.abc import Mapping
from typing import Any, Final

from contract.address import Address, parse_address
from contract.errors import SettingsError
from contract.runtime.terminal import echo
from contract.settings import BusSettings, load
from ops import welcome
from ops.console import Console
from ops.nats import address, encryption
from ops.nats.admin import provision_as_admin
from ops.nats.endpoint import SERVER_PICKS, USUAL_PORT, Endpoint
from ops.nats.server import STOPS_WITHIN_S, NatsServer
from ops.settings import UpSettings
from ops.supervisor import health, ports
from ops.supervisor.ready_file import ReadyFile
from ops.supervisor.service import Service
from ops.supervisor.signals import Stop
from ops.supervisor.supervisor import Supervisor, watch

_INGRESS_STOPS_WITHIN_S: Final = 10.0
_BEYOND_DRAIN_S: Final = 10.0
"""Time for a worker beyond its own drain limit before it is killed."""
_LIBRARY_STOPS_WITHIN_S: Final = 15.0
_LOOPBACK: Final = "127.0.0.1"
_INGRESS_METRICS_PORT: Final = 9108
_WORKER_METRICS_PORT: Final = 9109
_LIBRARY_METRICS_PORT: Final = 9110


class Up:
    """The message bus, the worker, the library and the ingress, started, supervised and stopped together."""

    def __init__(
        self,
        settings: UpSettings,
        environment: Mapping[str, str],
        console: Console,
        ready_file: ReadyFile,
        *,
        as_json: bool,
    ) -> None:
        self._settings = settings
        self._console = console
        self._ready_file = ready_file
        self._as_json = as_json
        # Only nats-server needs the key of its store.
        passed_on = {name: value for name, value in environment.items() if not name.startswith(encryption.VARIABLE)}
        self._environment = {**passed_on, "DOCQA_UDS": str(settings.socket_path)}
        self._is_ready = False
        http, (ingress_metrics, worker_metrics, library_metrics) = http_address(settings), metrics_addresses(settings)
        own_bus = NatsServer(settings.data_dir, settings, bus_endpoint(settings))
        self._nats = None if environment.get("DOCQA_NATS_URL") else own_bus
        self._ingress = self._service("ingress", "ingress", str(ingress_metrics))
        self._worker = self._service("worker", "inference_worker", str(worker_metrics))
        self._library = self._service("library", "library", str(library_metrics))
        self._library_starting: asyncio.Task[None] | None = None
        self._ingress.pin(DOCQA_HOST=http.host, DOCQA_PORT=str(http.port))
        self._supervisors: dict[str, Supervisor] = {}

    async def serve(self) -> None:
        """Start all parts, announce their addresses, and keep them running; does not return."""
        await self._start_bus()
        await self._start_services()
        await self._wait_until_healthy()
        self._announce()
        await watch(*(one for name, one in self._supervisors.items() if name != "library" or self._library.ready))

    async def drain(self, stop: Stop) -> None:
        """Stop what was started: worker and library first, then the ingress, and the message bus last."""
        was_ready, self._is_ready = self._is_ready, False
        if was_ready:
            self._console.say(
                "Stopping: running jobs finish, waiting jobs stay on disk. Press Ctrl-C again to stop at once."
            )
            self._console.work("Draining")
        self._ready_file.remove()
        hurrying = asyncio.create_task(self._hurry(stop))
        # The ingress still accepts questions while the worker drains: they wait on disk for the next start.
        if self._library_starting:
            self._library_starting.cancel()
            await asyncio.gather(self._library_starting, return_exceptions=True)
        await asyncio.gather(
            self._stop("worker", self._settings.drain_s + _BEYOND_DRAIN_S),
            self._stop("library", _LIBRARY_STOPS_WITHIN_S),
        )
        await self._stop("ingress", _INGRESS_STOPS_WITHIN_S)
        await self._stop("nats", STOPS_WITHIN_S)
        hurrying.cancel()
        if was_ready:
            self._console.say("Stopped.")

    async def _start_bus(self) -> None:
        self._console.work(f"Starting 1 of 3: the message bus (data in {self._settings.data_dir})")
        if self._nats is None:
            await provision_as_admin(load(BusSettings, self._environment), self._settings)
            return
        await self._start_part("nats", self._nats)
        for service in self._services:
            service.pin(**address.environment_for(self._settings.data_dir, service.name))

    async def _start_services(self) -> None:
        self._console.work("Starting 2 of 3: the worker, which loads the model, the library and the ingress")
        self._library_starting = asyncio.create_task(self._start_library(), name="start the library")
        try:
            async with asyncio.TaskGroup() as starting:
                starting.create_task(self._start_part("worker", self._worker))
                starting.create_task(self._start_part("ingress", self._ingress))
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        self._ingress.pin(DOCQA_PORT=self._ingress.ready["http"].rpartition(":")[2])
        if self._nats:
            await self._library_starting
        for service in self._services:
            if service.ready:
                service.pin(DOCQA_METRICS_ADDR=service.ready["metrics"])

    async def _start_library(self) -> None:
        """A message bus that another version set up may not know its role: questions are answered without it."""
        await self._start_part("library", self._library)

    async def _wait_until_healthy(self) -> None:
        self._console.work("Starting 3 of 3: waiting until the ingress sees the worker")
        while True:
            found = await asyncio.to_thread(health.probe, self._settings.socket_path)
            if found.get("status") == "healthy":
                return
            await asyncio.sleep(0.02)

    def _announce(self) -> None:
        self._is_ready = True
        self._console.rest()
        self._ready_file.write(self._describe())
        if self._as_json:
            echo(json.dumps(self._describe()))
        else:
            echo(welcome.text(self._describe(), self._settings, self._worker.ready))

    def _describe(self) -> dict[str, Any]:
        return {
            "http": f"http://{self._ingress.ready['http']}",
            "uds": str(self._settings.socket_path),
            "nats_url": self._nats.url if self._nats else self._environment["DOCQA_NATS_URL"],
            "nats_monitoring": self._nats.monitoring if self._nats else None,
            "metrics": {
                name: f"http://{service.ready['metrics']}/metrics"
                for name, service in ((service.name, service) for service in self._services)
                if service.ready
            },
            "pids": {"up": os.getpid(), **{name: supervisor.pid for name, supervisor in self._supervisors.items()}},
            "data_dir": str(self._settings.data_dir.absolute()),
            "credentials": str(self._nats.credentials.folder.absolute()) if self._nats else None,
        }

    @property
    def _services(self) -> tuple[Service, ...]:
        return self._ingress, self._worker, self._library

    def _service(self, name: str, module: str, metrics: str) -> Service:
        service = Service(name, module, self._environment, self._settings.data_dir)
        service.pin(DOCQA_METRICS_ADDR=metrics)
        return service

    async def _start_part(self, name: str, part: NatsServer | Service) -> None:
        supervisor = self._supervisors[name] = Supervisor(part, self._console, self._on_restart)
        await supervisor.start()

    def _on_restart(self) -> None:
        if self._is_ready:
            self._ready_file.write(self._describe())

    async def _stop(self, name: str, grace_s: float) -> None:
        if supervisor := self._supervisors.get(name):
            await supervisor.stop(grace_s)

    async def _hurry(self, stop: Stop) -> None:
        await stop.hurried.wait()
        self._console.work("Stopping at once: running jobs go back to the queue")
        for name in ("worker", "library", "ingress"):
            if supervisor := self._supervisors.get(name):
                supervisor.hurry()


def http_address(settings: UpSettings) -> Address:
    """The TCP address of the ingress; raises SettingsError if no server could listen there."""
    address = Address(settings.host, settings.port)
    if address.port and (error := ports.listen_error(address)):
        raise SettingsError(
            f"Cannot listen on {address}: {error}; choose another, or let --http {_LOOPBACK}:0 pick a free port."
        )
    return address


def bus_endpoint(settings: UpSettings) -> Endpoint:
    """The embedded bus's address: any free port if the HTTP port is any, since other systems may then run beside."""
    return Endpoint(Address(_LOOPBACK, SERVER_PICKS if settings.port == 0 else USUAL_PORT))


def metrics_addresses(settings: UpSettings) -> tuple[Address, Address, Address]:
    """Those of ingress, worker and library: DOCQA_METRICS_ADDR is the ingress's, and the others take the next ports."""
    if settings.metrics_addr:
        named = parse_address(settings.metrics_addr, "DOCQA_METRICS_ADDR")
        worker, library = (named._replace(port=named.port and min(named.port + step, 65_535)) for step in (1, 2))
        return named, worker, library
    if settings.port == 0:
        return Address(_LOOPBACK, 0), Address(_LOOPBACK, 0), Address(_LOOPBACK, 0)
    usual = (_INGRESS_METRICS_PORT, _WORKER_METRICS_PORT, _LIBRARY_METRICS_PORT)
    ingress, worker, library = map(_free_or_any, usual)
    return ingress, worker, library


def _free_or_any(port: int) -> Address:
    wanted = Address(_LOOPBACK, port)
    return wanted if ports.listen_error(wanted) is None else Address(_LOOPBACK, 0)
