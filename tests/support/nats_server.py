"""A real nats-server for a test: on a free port, with a store and passwords of its own, configured as the embedded one.

It is not provisioned: `contract.bus.provision` does that, or a test that wants it otherwise.
"""

import contextlib
import json
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from nats.aio.client import Client

from bench.targets.free_ports import free_port
from contract.address import Address
from contract.bus import Bus, connected
from contract.bus.provision import provision
from contract.settings import BusSettings, QueueSettings, Secret
from ops.nats import config
from ops.nats.credentials import ROLES, Credentials
from ops.nats.endpoint import Endpoint
from ops.nats.publishers import PublisherList
from ops.nats.server import find_program

READY_WITHIN_S = 20.0


@contextlib.asynccontextmanager
async def bare_client(url: str, **options: Any) -> AsyncIterator[tuple[Client, list[str]]]:
    """A connection without the project's own care, and what the server says against it."""
    client, errors = Client(), list[str]()

    async def note(error: Exception) -> None:
        errors.append(str(error))

    await client.connect(url, error_cb=note, **options)
    try:
        yield client, errors
    finally:
        await client.close()


class RunningServer:
    """Killed and started again it keeps its port and its store."""

    def __init__(self, folder: Path, settings: QueueSettings | None = None) -> None:
        self.folder = folder
        self.settings = settings or QueueSettings(max_queue_size=10)
        self.credentials = Credentials(folder / "credentials")
        self.publishers = PublisherList(folder / "publishers")
        self.port = free_port()
        self.monitoring = ""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.credentials.ensure()
        self._write_config()
        with (self.folder / "nats-server.log").open("ab") as log:
            command = [find_program(), "--config", str(self._config)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        ports = self._read_ports(self._process)
        self.port = int(ports["nats"][0].rpartition(":")[2])
        self.monitoring = ports["monitoring"][0]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self._process:
            self._process.send_signal(number)
            self._process.wait(20)
            self._process = None

    def settings_for(self, role: str) -> BusSettings:
        return BusSettings(nats_url=self.url, nats_password=Secret(self.credentials.read(role)))

    @contextlib.asynccontextmanager
    async def bus(self, role: str = "admin") -> AsyncIterator[Bus]:
        """The project's own connection in this role."""
        async with connected(self.settings_for(role), role) as bus:
            yield bus

    @contextlib.asynccontextmanager
    async def client(self, role: str) -> AsyncIterator[tuple[Client, list[str]]]:
        """A bare connection in this role, and what the server says against it."""
        login = {"user": role, "password": self.credentials.read(role)}
        async with bare_client(self.url, inbox_prefix=f"_INBOX_{role}", **login) as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def publisher(self, name: str) -> AsyncIterator[tuple[Client, list[str]]]:
        """The same as a direct publisher."""
        publisher = self.publishers.read(name)
        async with bare_client(self.url, user=publisher.user, password=publisher.password) as connection:
            yield connection

    @contextlib.contextmanager
    def wrong_password(self, role: str) -> Iterator[None]:
        """The server knows another password for this role while the block runs; it reloads before and after."""
        text = self._config.read_text(encoding="utf-8")
        self._reload_with(text.replace(self.credentials.read(role), f"not-{self.credentials.read(role)}"))
        yield
        self._reload_with(text)

    def _reload_with(self, text: str) -> None:
        assert self._process
        self._config.write_text(text, encoding="utf-8")
        self._process.send_signal(signal.SIGHUP)

    async def provision(self) -> None:
        async with self.bus() as bus:
            await provision(bus, self.settings)

    @property
    def _config(self) -> Path:
        return self.folder / "nats-server.conf"

    def _write_config(self) -> None:
        text = config.render(
            folder=self.folder,
            endpoint=Endpoint(Address("127.0.0.1", self.port)),
            passwords={role: self.credentials.read(role) for role in ROLES},
            max_request_size_mb=self.settings.max_request_size_mb,
            publishers=self.publishers.passwords(),
        )
        self._config.write_text(text, encoding="utf-8")

    def _read_ports(self, process: subprocess.Popen[bytes]) -> dict[str, list[str]]:
        path = self.folder / f"nats-server_{process.pid}.ports"
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
                ports: dict[str, list[str]] = json.loads(path.read_text(encoding="utf-8"))
                return ports
            time.sleep(0.01)
        raise AssertionError(f"nats-server did not start:\n{(self.folder / 'nats-server.log').read_text()}")
