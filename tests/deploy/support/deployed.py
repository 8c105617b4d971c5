"""Goblin DocQA on a booted machine, put there by the script that operators use, and asked over its socket."""

import asyncio
import contextlib
import hashlib
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Final

import httpx

from bench.targets.free_ports import free_ports
from contract.bus import Bus, connected
from contract.settings import BusSettings, Secret
from ops.nats.credentials import ROLES
from tests.deploy.support.machine import COMMAND_WITHIN_S, NOTHING, Machine
from tests.deploy.support.places import ROOT, SYSTEMD
from tests.deploy.support.wheels import make_wheels
from tests.support.client import Client
from tests.support.ledger import Ledger, queue_is_empty, stored_results

SERVICES: Final = (
    "goblin-docqa-nats.service",
    "goblin-docqa-worker.service",
    "goblin-docqa-library.service",
    "goblin-docqa.service",
)
PREFIX: Final = "/opt/goblinmini-docqa"
SOCKET: Final = "/run/goblinmini-docqa.sock"
CLIENTS: Final = 8
SCHEMA: Final = "library/store/schema.py"
HTTP_TIMEOUT_S: Final = 120.0


def newer(schema: bytes) -> bytes:
    """A module of the store's tables with one version more, which adds a column."""
    text = schema.decode()
    version = re.search(r"^VERSION: Final = (\d+)$", text, re.MULTILINE)
    assert version
    step = f"MIGRATIONS[{version[1]}] = \"ALTER TABLE versions ADD COLUMN later TEXT NOT NULL DEFAULT ''\"\n"
    return text.replace(version[0], f"VERSION: Final = {int(version[1]) + 1}").encode() + step.encode()


class Deployed:
    """A machine with the wheels of the product on it, and settings with ports of its own.

    `compiled`: without the wheels and without uv; the script gets all from the registry, as it does at a site.
    """

    def __init__(self, machine: Machine, *, compiled: bool = False) -> None:
        self.machine = machine
        self._given = NOTHING if compiled else {"WHEELS": "/wheels"}
        self.ledger = Ledger()
        self.errors: list[str] = []
        """What clients met that was neither an answer nor a refusal in the API's words."""
        if not compiled:
            self._put_wheels()
        self._put_settings()

    def _put_wheels(self) -> None:
        root = self.machine.root
        make_wheels(root / "wheels")
        build = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
        subprocess.run([sys.executable, *build, root / "first", ROOT], check=True)
        shutil.copy(Path(sys.executable).parent / "uv", root / "usr/local/bin/uv")

    def _put_settings(self) -> None:
        root = self.machine.root
        self.bus_port, ingress, worker, library = free_ports(4)
        self.metrics_ports = {"ingress": ingress, "worker": worker, "library": library}
        sample = (SYSTEMD / "default" / "goblin-docqa").read_text(encoding="utf-8")
        here = f"DOCQA_NATS_PORT={self.bus_port}\nMODEL_QUANTIZATION=as-is\nDOCQA_ACK_WAIT_S=2\n"
        for name, text in {
            "goblin-docqa": sample + here,
            **{
                f"goblin-docqa-{name}": f"DOCQA_METRICS_ADDR=127.0.0.1:{port}\n"
                for name, port in self.metrics_ports.items()
            },
        }.items():
            (root / "etc/default" / name).write_text(text, encoding="utf-8")

    def package(self, name: str) -> str:
        """The product's wheel as another release: with one more file, and a newer schema of the library's store."""
        first = next((self.machine.root / "first").glob("*.whl"))
        if name != "first":
            other = self.machine.root / name / first.name
            other.parent.mkdir(exist_ok=True)
            with zipfile.ZipFile(first) as source, zipfile.ZipFile(other, "w") as target:
                for entry in source.namelist():
                    more = b"contract/release.txt,,\n" if entry.endswith("/RECORD") else b""
                    content = source.read(entry)
                    target.writestr(entry, (newer(content) if entry == SCHEMA else content) + more)
                target.writestr("contract/release.txt", name)
        return f"/{name}/{first.name}"

    def deploy(
        self,
        *arguments: str,
        check: bool = True,
        environment: Mapping[str, str] = NOTHING,
        within_s: float = COMMAND_WITHIN_S,
    ) -> "subprocess.CompletedProcess[str]":
        """Run the script with these variables beside its own."""
        script = "/src/deploy/systemd/deploy_units.sh"
        settings = {**self._given, **environment}
        done = self.machine.run(script, *arguments, check=False, environment=settings, within_s=within_s)
        assert not check or done.returncode == 0, done.stdout + done.stderr + self.machine.journal()
        return done

    def pipeline(self, script: str, release: str = "") -> "subprocess.CompletedProcess[str]":
        """Run a script of deploy/ci on the units, with a short canary; a release's wheel gets its requirements."""
        if release:
            self.machine.path(f"{Path(release).parent}/requirements.txt").write_text(self._locked(), encoding="utf-8")
        settings = {
            "DOCQA": f"{PREFIX}/current/venv/bin/docqa",
            "WHEELS": "/wheels",
            "UV_FIND_LINKS": "/wheels",
            "UV_NO_INDEX": "1",
            "UV_OFFLINE": "1",
            "CANARY_MINUTES": "0.5",
            # Two models on the cores of a test machine: this is about the steps, not about the speed.
            "CANARY_OPTIONS": "--every 0.5 --load 120 --latency-ratio 10 --waiting 20",
        }
        command = [f"/src/deploy/ci/{script}", "systemd", *([release] if release else [])]
        return self.machine.run(*command, check=False, environment=settings, within_s=2 * COMMAND_WITHIN_S)

    def _locked(self) -> str:
        """What the build writes beside a wheel, for the wheels that are there."""
        found = []
        for wheel in sorted((self.machine.root / "wheels").glob("*.whl")):
            name, version, *_ = wheel.name.split("-")
            found.append(f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")
        return "".join(found)

    @contextlib.contextmanager
    def bus_of_somebody_else(self) -> Iterator[str]:
        """Another nats-server on the machine, with accounts of its own; its passwords are in /etc/credstore."""
        clients, monitor, routes = free_ports(3)
        store = self.machine.path("/etc/credstore")
        store.mkdir(mode=0o700, exist_ok=True)
        folder = self.machine.path("/srv/other-bus")
        folder.mkdir()
        for role in ROLES:
            for path in (folder / role, store / f"goblin-docqa.bus-{role}"):
                path.write_text(f"passwordof{role}" * 3, encoding="ascii")
        ports = {"--listen": clients, "--route": routes, "--listen-routes": routes, "--monitor": monitor}
        options = [word for name, port in ports.items() for word in (name, f"127.0.0.1:{port}")]
        command = [f"{PREFIX}/current/venv/bin/docqa", "cluster", "--store", "/srv/other-bus/store", *options]
        made = self.machine.run(*command, environment={"DOCQA_NATS_CREDENTIALS": "/srv/other-bus"})
        (folder / "nats.conf").write_text(made.stdout, encoding="utf-8")
        server = f"{PREFIX}/current/venv/bin/nats-server"
        self.machine.run("systemd-run", "--unit=other-bus", server, "--config", "/srv/other-bus/nats.conf")
        try:
            yield f"nats://127.0.0.1:{clients}"
        finally:
            self.machine.run("systemctl", "stop", "other-bus.service", check=False)
            for path in store.glob("goblin-docqa.bus-*"):
                path.unlink()
            shutil.rmtree(folder)

    @property
    def release(self) -> str:
        return self.machine.run("readlink", f"{PREFIX}/current").stdout.strip()

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        """Each request on a connection of its own, as nginx makes them."""
        transport = httpx.AsyncHTTPTransport(
            uds=str(self.machine.path(SOCKET)), limits=httpx.Limits(max_keepalive_connections=0)
        )
        async with httpx.AsyncClient(transport=transport, base_url="http://docqa", timeout=HTTP_TIMEOUT_S) as http:
            yield Client(http)

    def bus(self) -> contextlib.AbstractAsyncContextManager[Bus]:
        file = self.machine.path("/var/lib/goblin-docqa/nats/credentials/admin")
        password = Secret(file.read_text(encoding="ascii").strip())
        return connected(BusSettings(nats_url=f"nats://127.0.0.1:{self.bus_port}", nats_password=password), "admin")

    @contextlib.asynccontextmanager
    async def asked_by_many(self) -> AsyncIterator[None]:
        """Eight clients that ask and wait, again and again, for the time of a block."""
        over = asyncio.Event()
        async with self.client() as client:
            tasks = [asyncio.create_task(self._ask_on(client, over)) for _ in range(CLIENTS)]
            try:
                yield
            finally:
                over.set()
                await asyncio.gather(*tasks)

    async def _ask_on(self, client: Client, over: asyncio.Event) -> None:
        while not over.is_set():
            try:
                response = await client.ask("Once more?", max_tokens=1)
            except httpx.TransportError as error:
                self.ledger.broken += 1
                self.errors.append(repr(error))
            else:
                if response.status_code not in (200, 202, 429):
                    self.errors.append(f"{response.status_code}: {response.text}")
                self.ledger.note(response)
            await asyncio.sleep(0.05)

    async def loses_nothing(self) -> None:
        """Every job that was confirmed to a client has one result; others have one only if their request broke off."""
        async with self.bus() as bus:
            await queue_is_empty(bus, 120)
            stored = (await stored_results(bus)).keys()
        assert self.ledger.accepted <= stored
