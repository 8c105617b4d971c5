"""The embedded bus on a data folder, as `docqa nats` runs it, inside a test's own process; and backups of it."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from contract.address import Address
from contract.bus import Bus, connected
from ops.backup import archive
from ops.backup.catalog import BackupFolder
from ops.backup.create import Request, create
from ops.backup.restore import Outcome, restore
from ops.backup.source import source
from ops.console import Console
from ops.nats.endpoint import SERVER_PICKS, Endpoint
from ops.nats.server import STOPS_WITHIN_S, NatsServer
from ops.settings import BackupSettings
from ops.supervisor.data_dir import locked

NOTHING_SET: Mapping[str, str] = MappingProxyType({})


class Embedded:
    """One data folder, and a folder of backups beside it."""

    def __init__(self, folder: Path, name: str = "data", **settings: Any) -> None:
        self.settings = BackupSettings(data_dir=folder / name, backup_dir=folder / "backups", **settings)
        self.backups = BackupFolder(self.settings.folder)
        self.store = self.settings.data_dir / "nats" / "store"
        self.monitoring = ""
        """The running server's own pages."""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Bus]:
        """Its admin's bus, while it runs."""
        with locked(self.settings.data_dir):
            server = NatsServer(self.settings.data_dir, self.settings, Endpoint(Address("127.0.0.1", SERVER_PICKS)))
            child = await server.launch()
            self.monitoring = server.monitoring
            try:
                async with connected(server.settings_for("admin"), "admin") as bus:
                    yield bus
            finally:
                await child.stop(STOPS_WITHIN_S)

    def request(self, environment: Mapping[str, str], *, is_verified: bool = False) -> Request:
        return Request(self.settings, environment, self.backups, Console(quiet=True), is_verified)

    async def backup(self, environment: Mapping[str, str] = NOTHING_SET, *, is_verified: bool = False) -> Path:
        """As `docqa backup create` does it, whether the bus runs or not; the trial only where a test is about it."""
        request = self.request(environment, is_verified=is_verified)
        with self.backups.locked():
            async with source(environment, self.settings, self.backups.work_folder("source")) as bus:
                return await create(bus, request)

    async def restore(
        self, path: Path, environment: Mapping[str, str] = NOTHING_SET, *, replace: bool = False
    ) -> Outcome:
        manifest = archive.read_manifest(path)
        with self.backups.locked():
            return await restore(path, manifest, self.request(environment), replace=replace)
