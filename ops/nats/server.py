"""The embedded nats-server as a part: configured, started, healthy and provisioned before it counts as ready."""

import asyncio
import contextlib
import http.client
import json
import os
import shutil
import sysconfig
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from contract.bus import connected
from contract.bus.provision import provision
from contract.errors import BusError, BusUnavailableError
from contract.runtime import tasks
from contract.runtime.files import make_folder, write_atomically
from contract.settings import SECRET_NAMES, BusSettings, QueueSettings, Secret
from ops.nats import address, disk, encryption, reload, store_swap, stuck_jobs
from ops.nats import config as nats_config
from ops.nats.credentials import ROLES
from ops.nats.endpoint import SERVER_PICKS, Door
from ops.supervisor import ports
from ops.supervisor.keeper import StartError, until_written
from ops.supervisor.process import Child, Program, ended_on_error, spawn

_READY_WITHIN_S: Final = 60.0
"""A large store is read before the server listens."""
_PROVISIONED_WITHIN_S: Final = 15.0
STOPS_WITHIN_S: Final = 10.0
_LOOKS_EVERY_S: Final = 1.0
_USUAL_DOOR: Final = Door()


class NatsServer:
    """Keeps its port over restarts, so that clients find it again."""

    name = "nats-server"

    def __init__(
        self, data_dir: Path, settings: QueueSettings, door: Door = _USUAL_DOOR, given_credentials: Path | None = None
    ) -> None:
        self.data_dir = data_dir
        self._settings = settings
        self.folder = address.bus_folder(data_dir)
        self.credentials = address.credentials(data_dir)
        self.publishers = address.publishers(data_dir)
        self._door = door
        self._given_credentials = given_credentials
        self._port = settings.nats_port
        self.monitoring = ""

    @property
    def url(self) -> str:
        return self._door.url(self._port or self._door.address.port)

    def settings_for(self, role: str) -> BusSettings:
        password = Secret(self.credentials.read(role))
        return BusSettings(nats_url=self.url, nats_password=password, nats_ca=self._authority)

    @property
    def _authority(self) -> Path | None:
        return self._door.certificate.authority if self._door.certificate else None

    async def launch(self) -> Child:
        """Start the server and provision it; raises StartError."""
        make_folder(self.folder, 0o700)
        disk.check_room(self.folder)
        store_swap.finish(self.folder)
        encryption.claim(self.folder / nats_config.STORE, self._settings)
        if self._given_credentials:
            self.credentials.adopt(self._given_credentials)
        self.credentials.ensure()
        if self._port is not None:
            return await self._launch_on(self._port)
        wanted = self._door.address
        if self._door.certificate:
            # Who comes from elsewhere knows this port and no other.
            return await self._launch_on(wanted.port)
        if wanted.port != SERVER_PICKS and not ports.trouble(wanted):
            # Somebody else may take the port between the look and the start.
            try:
                return await self._launch_on(wanted.port)
            except StartError as error:
                if error.final:
                    raise
        return await self._launch_on(SERVER_PICKS)

    async def ended(self, child: Child) -> str:
        """Wait for its end, or end it once it stores nothing more; how it ended, in words.

        Stopped it is started again when there is room; meanwhile whoever asks is refused at once.
        """
        living, working = asyncio.create_task(child.ended()), asyncio.create_task(self._until_broken())
        try:
            await asyncio.wait({living, working}, return_when=asyncio.FIRST_COMPLETED)
            if living.done():
                return living.result()
            await child.stop(STOPS_WITHIN_S)
            return f"was stopped, for it stores nothing more ({working.result()})"
        finally:
            await tasks.end(living, working)

    async def _until_broken(self) -> str:
        """Look after the server while it stores what it is given; why it doesn't any more."""
        async with connected(self.settings_for("admin"), "admin") as bus:
            was_stranded = False
            while not (trouble := await asyncio.to_thread(disk.trouble, self.monitoring)):
                with contextlib.suppress(BusError):
                    is_stranded = bool(await stuck_jobs.bring_back(bus))
                    # Jobs that were just brought back and acked stay again: no publish has told the server of it yet.
                    if is_stranded and was_stranded:
                        return "acked jobs stay in the queue"
                    was_stranded = is_stranded
                await asyncio.sleep(_LOOKS_EVERY_S)
        return trouble

    async def _launch_on(self, port: int) -> Child:
        async with contextlib.AsyncExitStack() as guarded:
            # Until it listens nobody changes the list of publishers that it starts with: later it can be told.
            async with self.publishers.held():
                child = await spawn(self._program(port))
                await guarded.enter_async_context(ended_on_error(child, STOPS_WITHIN_S))
                await self._wait_for_ports(child)
            await self._provision()
        return child

    def _program(self, port: int) -> Program:
        for stale in self.folder.glob("*.ports"):
            stale.unlink(missing_ok=True)
        config = self.folder / reload.CONFIG_NAME
        text = nats_config.render(
            folder=self.folder,
            door=self._door._replace(address=self._door.address._replace(port=port)),
            passwords={role: self.credentials.read(role) for role in ROLES},
            max_request_size_mb=self._settings.max_request_size_mb,
            publishers=self.publishers.passwords(),
            encryption=encryption.jetstream(self._settings),
        )
        write_atomically(config, text.encode(), mode=0o600)
        environment = {name: value for name, value in os.environ.items() if name not in SECRET_NAMES}
        environment |= encryption.environment(self._settings)
        return Program(self.name, [find_program(), "--config", str(config)], environment, self.data_dir)

    async def _wait_for_ports(self, child: Child) -> None:
        """The server writes its ports once it listens, which is after it has read its store."""
        path = self.folder / f"{self.name}_{child.pid}.ports"
        found = await until_written(path, child, _READY_WITHIN_S)
        self._port = urlsplit(found["nats"][0]).port
        self.monitoring = found["monitoring"][0]
        address.note(self.data_dir, self.url, self._authority)
        self.publishers.note_url(self._door.public_url or self.url)

    async def _provision(self) -> None:
        try:
            await asyncio.to_thread(self._check_sync)
            async with asyncio.timeout(_PROVISIONED_WITHIN_S), connected(self.settings_for("admin"), "admin") as bus:
                await provision(bus, self._settings)
        except (OSError, http.client.HTTPException):
            raise StartError("nats-server listens but does not answer its admin.") from None
        except BusError as error:
            raise StartError(str(error), final=not isinstance(error, BusUnavailableError)) from None

    def _check_sync(self) -> None:
        connection = http.client.HTTPConnection(urlsplit(self.monitoring).netloc, timeout=5)
        with contextlib.closing(connection):
            connection.request("GET", "/jsz")
            config = json.load(connection.getresponse())["config"]
        if not config.get("sync_always"):
            raise BusError("This nats-server does not write each job to disk at once (sync_always): use 2.15 or newer.")


def find_program() -> str:
    """The server that was installed beside this Python, else the one on PATH; raises StartError."""
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    if found := shutil.which(beside) or shutil.which("nats-server"):
        return str(Path(found).absolute())
    raise StartError(
        "There is no nats-server: run `make setup`, or name one that runs with DOCQA_NATS_URL.", final=True
    )
