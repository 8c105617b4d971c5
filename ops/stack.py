"""Which TCP addresses `docqa up` gives to its children."""

import asyncio
import json
import os
from collections.abc import Mapping
from typing import Any, Final

import click

from contract.errors import SettingsError
from contract.settings import BusSettings, load
from ops import stack, welcome
from ops.console import Console
from ops.nats import address, encryption
from ops.nats.admin import provision_elsewhere
from ops.nats.endpoint import SERVER_PICKS, USUAL_PORT, Door
from ops.nats.server import STOPS_WITHIN_S, NatsServer
from ops.settings import UpSettings
from ops.supervisor import health, ports
from ops.supervisor.keeper import Keeper, watch
from ops.supervisor.ports import Address
from ops.supervisor.ready_file import ReadyFile
from ops.supervisor.service import Service
from ops.supervisor.signals import Stop

_INGRESS_STOPS_WITHIN_S: Final = 10.0


_BEYOND_DRAIN_S: Final = 10.0
"""What a worker may take beyond its own limit before it is ended."""


class Up:
    """All parts and how they stand to each other."""

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
        # Nobody but the bus needs the key of its store.
        told = {name: value for name, value in environment.items() if not name.startswith(encryption.VARIABLE)}
        self._environment = {**told, "DOCQA_UDS": str(settings.socket_path)}
        self._is_ready = False
        http, (ingress_metrics, worker_metrics) = stack.http(settings), stack.metrics(settings)
        own_bus = NatsServer(settings.data_dir, settings, stack.bus(settings))
        self._nats = None if environment.get("DOCQA_NATS_URL") else own_bus
        self._ingress = self._service("ingress", "ingress", str(ingress_metrics))
        self._worker = self._service("worker", "inference_worker", str(worker_metrics))
        self._ingress.settle(DOCQA_HOST=http.host, DOCQA_PORT=str(http.port))
        self._keepers: dict[str, Keeper] = {}

    async def serve(self) -> None:
        """Start all parts, tell where they are, and keep them alive; does not return."""
        await self._start_bus()
        await self._start_services()
        await self._wait_until_healthy()
        self._announce()
        await watch(*self._keepers.values())

    async def drain(self, stop: Stop) -> None:
        """Stop what was started: who takes jobs first, who stores them last."""
        was_ready, self._is_ready = self._is_ready, False
        if was_ready:
            self._console.say("Stopping: running jobs finish, waiting ones stay on disk. Ctrl-C again hurries.")
            self._console.work("Draining")
        self._ready_file.remove()
        hurrying = asyncio.create_task(self._hurry(stop))
        # The ingress goes on taking questions while the worker drains: they wait on disk for the next start.
        await self._stop("worker", self._settings.drain_s + _BEYOND_DRAIN_S)
        await self._stop("ingress", _INGRESS_STOPS_WITHIN_S)
        await self._stop("nats", STOPS_WITHIN_S)
        hurrying.cancel()
        if was_ready:
            self._console.say("Stopped.")

    async def _start_bus(self) -> None:
        self._console.work(f"Starting 1 of 3: the message bus (data in {self._settings.data_dir})")
        if self._nats is None:
            await provision_elsewhere(load(BusSettings, self._environment), self._settings)
            return
        await self._keep("nats", self._nats)
        for role, service in (("ingress", self._ingress), ("worker", self._worker)):
            service.settle(**address.environment_for(self._settings.data_dir, role))

    async def _start_services(self) -> None:
        self._console.work("Starting 2 of 3: the worker, which loads the model, and the ingress")
        try:
            async with asyncio.TaskGroup() as starting:
                starting.create_task(self._keep("worker", self._worker))
                starting.create_task(self._keep("ingress", self._ingress))
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        self._ingress.settle(DOCQA_PORT=self._ingress.ready["http"].rpartition(":")[2])
        for service in (self._ingress, self._worker):
            service.settle(DOCQA_METRICS_ADDR=service.ready["metrics"])

    async def _wait_until_healthy(self) -> None:
        self._console.work("Starting 3 of 3: waiting until the ingress sees the worker")
        while True:
            found = await asyncio.to_thread(health.look, self._settings.socket_path)
            if found.get("status") == "healthy":
                return
            await asyncio.sleep(0.02)

    def _announce(self) -> None:
        self._is_ready = True
        self._console.rest()
        self._ready_file.write(self._describe())
        if self._as_json:
            click.echo(json.dumps(self._describe()))
        else:
            click.echo(welcome.text(self._describe(), self._settings, self._worker.ready))

    def _describe(self) -> dict[str, Any]:
        return {
            "http": f"http://{self._ingress.ready['http']}",
            "uds": str(self._settings.socket_path),
            "nats_url": self._nats.url if self._nats else self._environment["DOCQA_NATS_URL"],
            "nats_monitoring": self._nats.monitoring if self._nats else None,
            "metrics": {
                name: f"http://{service.ready['metrics']}/metrics"
                for name, service in (("ingress", self._ingress), ("worker", self._worker))
            },
            "pids": {"up": os.getpid(), **{name: keeper.pid for name, keeper in self._keepers.items()}},
            "data_dir": str(self._settings.data_dir.absolute()),
            "credentials": str(self._nats.credentials.folder.absolute()) if self._nats else None,
        }

    def _service(self, name: str, module: str, metrics: str) -> Service:
        service = Service(name, module, self._environment, self._settings.data_dir)
        service.settle(DOCQA_METRICS_ADDR=metrics)
        return service

    async def _keep(self, name: str, part: NatsServer | Service) -> None:
        keeper = self._keepers[name] = Keeper(part, self._console, self._on_restart)
        await keeper.start()

    def _on_restart(self) -> None:
        if self._is_ready:
            self._ready_file.write(self._describe())

    async def _stop(self, name: str, grace_s: float) -> None:
        if keeper := self._keepers.get(name):
            await keeper.stop(grace_s)

    async def _hurry(self, stop: Stop) -> None:
        await stop.hurried.wait()
        self._console.work("Hurrying: running jobs are given back")
        for name in ("worker", "ingress"):
            if keeper := self._keepers.get(name):
                keeper.hurry()


_LOOPBACK: Final = "127.0.0.1"
_INGRESS_METRICS_PORT: Final = 9108
_WORKER_METRICS_PORT: Final = 9109


def http(settings: UpSettings) -> Address:
    """Where questions come in over TCP; raises SettingsError when that can't be."""
    address = Address(settings.host, settings.port)
    if address.port and (trouble := ports.trouble(address)):
        raise SettingsError(
            f"Can't listen on {address}: {trouble}; name another, or let --http {_LOOPBACK}:0 pick one."
        )
    return address


def bus(settings: UpSettings) -> Door:
    """The embedded bus's: who lets a port be picked runs beside others, and must not meet them on the usual one."""
    return Door(Address(_LOOPBACK, SERVER_PICKS if settings.port == 0 else USUAL_PORT))


def metrics(settings: UpSettings) -> tuple[Address, Address]:
    """The ingress's and the worker's. A named address is the ingress's, and the worker takes the next port."""
    if settings.metrics_addr:
        named = ports.parse(settings.metrics_addr, "DOCQA_METRICS_ADDR")
        return named, named._replace(port=named.port and min(named.port + 1, 65_535))
    if settings.port == 0:
        return Address(_LOOPBACK, 0), Address(_LOOPBACK, 0)
    return _free_or_any(_INGRESS_METRICS_PORT), _free_or_any(_WORKER_METRICS_PORT)


def _free_or_any(port: int) -> Address:
    wanted = Address(_LOOPBACK, port)
    return wanted if ports.trouble(wanted) is None else Address(_LOOPBACK, 0)
