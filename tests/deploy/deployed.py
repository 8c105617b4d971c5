"""Goblin DocQA on a booted machine, put there by the script that operators use, and asked over its socket."""

import asyncio
import contextlib
import shutil
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

import httpx

from contract.bus import Bus, connected
from contract.settings import BusSettings, Secret
from tests.acceptance.client import Client
from tests.acceptance.ledger import Ledger, queue_is_empty, stored_results
from tests.deploy.front import free_ports
from tests.deploy.machine import NOTHING, Machine
from tests.deploy.places import ROOT, SYSTEMD
from tests.deploy.wheels import make_wheels

SERVICES: Final = ("goblin-docqa-nats.service", "goblin-docqa-worker.service", "goblin-docqa.service")
PREFIX: Final = "/opt/goblinmini-docqa"
SOCKET: Final = "/run/goblinmini-docqa.sock"
CLIENTS: Final = 8
HTTP_TIMEOUT_S: Final = 120.0


class Deployed:
    """A machine with the wheels of the product on it, and settings that meet nobody else's ports."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.ledger = Ledger()
        self.errors: list[str] = []
        """What clients met that was neither an answer nor a refusal in the API's words."""
        self._prepare()

    def _prepare(self) -> None:
        root = self.machine.root
        make_wheels(root / "wheels")
        build = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
        subprocess.run([sys.executable, *build, root / "first", ROOT], check=True)
        shutil.copy(Path(sys.executable).parent / "uv", root / "usr/local/bin/uv")
        self.bus_port, ingress = free_ports()
        worker, _ = free_ports()
        sample = (SYSTEMD / "default" / "goblin-docqa").read_text(encoding="utf-8")
        here = f"DOCQA_NATS_PORT={self.bus_port}\nMODEL_QUANTIZATION=as-is\nDOCQA_ACK_WAIT_S=2\n"
        for name, text in {
            "goblin-docqa": sample + here,
            "goblin-docqa-ingress": f"DOCQA_METRICS_ADDR=127.0.0.1:{ingress}\n",
            "goblin-docqa-worker": f"DOCQA_METRICS_ADDR=127.0.0.1:{worker}\n",
        }.items():
            (root / "etc/default" / name).write_text(text, encoding="utf-8")

    def package(self, name: str) -> str:
        """The product's wheel as another release: with one more file in it."""
        first = next((self.machine.root / "first").glob("*.whl"))
        if name != "first":
            other = self.machine.root / name / first.name
            other.parent.mkdir(exist_ok=True)
            with zipfile.ZipFile(first) as source, zipfile.ZipFile(other, "w") as target:
                for entry in source.namelist():
                    more = b"contract/release.txt,,\n" if entry.endswith("/RECORD") else b""
                    target.writestr(entry, source.read(entry) + more)
                target.writestr("contract/release.txt", name)
        return f"/{name}/{first.name}"

    def deploy(
        self, *arguments: str, check: bool = True, environment: Mapping[str, str] = NOTHING
    ) -> "subprocess.CompletedProcess[str]":
        """Run the script with these variables beside its own."""
        script = "/src/deploy/systemd/deploy_units.sh"
        settings = {"WHEELS": "/wheels", **environment}
        done = self.machine.run(script, *arguments, check=False, environment=settings)
        assert not check or done.returncode == 0, done.stdout + done.stderr + self.machine.journal()
        return done

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
        """Every job that a client was told of has one result, and no others have one but those that broke off."""
        async with self.bus() as bus:
            await queue_is_empty(bus, 120)
            stored = (await stored_results(bus)).keys()
        assert self.ledger.accepted <= stored
