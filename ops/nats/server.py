"""The embedded nats-server as a part: configured, started, checked and provisioned before it counts as ready."""

import asyncio
import contextlib
import os
import shutil
import sysconfig
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from contract.bus import connected
from contract.errors import BusError, BusUnavailableError
from contract.runtime import tasks
from contract.runtime.files import make_folder, write_atomically
from contract.settings import SECRET_NAMES, BusSettings, QueueSettings, Secret
from ops.nats import address, admin, disk, encryption, missing, monitoring, reload, store_swap, stuck_jobs
from ops.nats import config as nats_config
from ops.nats.credentials import ROLES
from ops.nats.endpoint import SERVER_PICKS, Endpoint
from ops.nats.monitoring import MonitoringError
from ops.supervisor import ports
from ops.supervisor.process import Child, Program, ended_on_error, spawn
from ops.supervisor.supervisor import StartError, until_written

_READY_WITHIN_S: Final = 60.0
"""The server reads its whole store before it listens."""
STOPS_WITHIN_S: Final = 10.0
_LOOKS_EVERY_S: Final = 1.0
_LOOKS_FOR_MISSING: Final = 3
"""It takes longer than the others: every so many looks."""
_USUAL_ENDPOINT: Final = Endpoint()


class NatsServer:
    """Keeps its port across restarts, so that clients find it again."""

    name = "nats-server"

    def __init__(
        self,
        data_dir: Path,
        settings: QueueSettings,
        endpoint: Endpoint = _USUAL_ENDPOINT,
        source_credentials: Path | None = None,
    ) -> None:
        self.data_dir = data_dir
        self._settings = settings
        self.folder = address.bus_folder(data_dir)
        self.credentials = address.credentials(data_dir)
        self.publishers = address.publishers(data_dir)
        self._endpoint = endpoint
        self._source_credentials = source_credentials
        self._port = settings.nats_port
        self.monitoring = ""

    @property
    def url(self) -> str:
        return self._endpoint.url(self._port or self._endpoint.address.port)

    def settings_for(self, role: str) -> BusSettings:
        password = Secret(self.credentials.read(role))
        return BusSettings(nats_url=self.url, nats_password=password, nats_ca=self._authority)

    @property
    def _authority(self) -> Path | None:
        return self._endpoint.certificate.authority if self._endpoint.certificate else None

    async def launch(self) -> Child:
        """Start the server and provision it; raises StartError."""
        make_folder(self.folder, 0o700)
        disk.check_room(self.folder)
        store_swap.finish(self.folder)
        encryption.check_key(self.folder / nats_config.STORE, self._settings)
        if self._source_credentials:
            self.credentials.adopt(self._source_credentials)
        self.credentials.ensure()
        if self._port is not None:
            return await self._launch_on(self._port)
        wanted = self._endpoint.address
        if self._endpoint.certificate:
            # Clients on other machines know only this port.
            return await self._launch_on(wanted.port)
        if wanted.port != SERVER_PICKS and not ports.listen_error(wanted):
            # Another program may take the port between this check and the start.
            try:
                return await self._launch_on(wanted.port)
            except StartError as error:
                if error.final:
                    raise
        return await self._launch_on(SERVER_PICKS)

    async def ended(self, child: Child) -> str:
        """Wait until it ends, or stop it when it can no longer store; returns a description of how it ended.

        It is started again when the disk has room; until then every request is refused at once.
        """
        living, working = asyncio.create_task(child.ended()), asyncio.create_task(self._until_broken())
        try:
            await asyncio.wait({living, working}, return_when=asyncio.FIRST_COMPLETED)
            if living.done():
                return living.result()
            await child.stop(STOPS_WITHIN_S)
            return f"was stopped because it can no longer store ({working.result()})"
        finally:
            await tasks.end(living, working)

    async def _until_broken(self) -> str:
        """Check the server each second until it can no longer store; returns the reason."""
        async with connected(self.settings_for("admin"), "admin") as bus:
            was_stuck, looks = False, 0
            while not (error := await asyncio.to_thread(disk.write_error, self.monitoring)):
                with contextlib.suppress(BusError):
                    is_stuck = bool(await stuck_jobs.redeliver_stuck(bus))
                    # Still stuck right after a recovery: the store is broken, but no publish has failed yet.
                    if is_stuck and was_stuck:
                        return "acknowledged jobs stay in the queue"
                    was_stuck = is_stuck
                looks += 1
                if looks % _LOOKS_FOR_MISSING == 0:
                    with contextlib.suppress(BusError):
                        await missing.make_anew(bus, self._settings)
                await asyncio.sleep(_LOOKS_EVERY_S)
        return error

    async def _launch_on(self, port: int) -> Child:
        async with contextlib.AsyncExitStack() as guarded:
            # The list of publishers is locked until the server listens: after that, a reload brings it changes.
            async with self.publishers.locked():
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
            endpoint=self._endpoint._replace(address=self._endpoint.address._replace(port=port)),
            passwords={role: self.credentials.read(role) for role in ROLES},
            max_request_size_mb=self._settings.max_request_size_mb,
            publishers=self.publishers.passwords(),
            encryption=encryption.jetstream(self._settings),
        )
        write_atomically(config, nats_config.to_bytes(text), mode=0o600)
        environment = {name: value for name, value in os.environ.items() if name not in SECRET_NAMES}
        environment |= encryption.environment(self._settings)
        return Program(self.name, [find_program(), "--config", str(config)], environment, self.data_dir)

    async def _wait_for_ports(self, child: Child) -> None:
        """The server writes its ports file when it listens, after reading its store."""
        path = self.folder / f"{self.name}_{child.pid}.ports"
        found = await until_written(path, child, _READY_WITHIN_S)
        self._port = urlsplit(found["nats"][0]).port
        self.monitoring = found["monitoring"][0]
        address.record(self.data_dir, self.url, self._authority)
        self.publishers.record_url(self._endpoint.public_url or self.url)

    async def _provision(self) -> None:
        try:
            await asyncio.to_thread(self._check_sync)
            await admin.provision_as_admin(self.settings_for("admin"), self._settings)
        except MonitoringError:
            raise StartError("nats-server listens, but its monitoring port does not answer.") from None
        except BusError as error:
            raise StartError(str(error), final=not isinstance(error, BusUnavailableError)) from None

    def _check_sync(self) -> None:
        config = monitoring.page(self.monitoring, "/jsz").get("config") or {}
        if not config.get("sync_always"):
            raise BusError(
                "This nats-server does not write each job to disk at once (sync_always): use version 2.15 or newer."
            )


def find_program() -> str:
    """The nats-server installed beside this Python, else the one on PATH; raises StartError."""
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    if found := shutil.which(beside) or shutil.which("nats-server"):
        return str(Path(found).absolute())
    raise StartError(
        "There is no nats-server: run `make setup`, or set DOCQA_NATS_URL to one that is running.", final=True
    )
