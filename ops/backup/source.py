"""The source of a backup: a running message bus, or the store of a stopped one."""

import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from contract.bus import Bus
from contract.errors import AlreadyRunningError, DocQAError
from ops.nats import address, config, store_swap
from ops.nats.admin import admin_bus
from ops.nats.scratch_server import serving
from ops.settings import BackupSettings
from ops.supervisor.data_dir import locked


@contextlib.asynccontextmanager
async def source(environment: Mapping[str, str], settings: BackupSettings, work: Path) -> AsyncIterator[Bus]:
    """An admin connection to the bus to back up; a server started for it uses the folder `work`. Raises DocQAError."""
    async with contextlib.AsyncExitStack() as held:
        if environment.get("DOCQA_NATS_URL"):
            yield await held.enter_async_context(admin_bus(environment, settings.data_dir))
            return
        try:
            held.enter_context(locked(settings.data_dir))
        except AlreadyRunningError:
            yield await held.enter_async_context(admin_bus(environment, settings.data_dir))
            return
        yield await held.enter_async_context(at_rest(settings, work))


@contextlib.asynccontextmanager
async def at_rest(settings: BackupSettings, work: Path) -> AsyncIterator[Bus]:
    """The store of a stopped bus; the caller has locked the data folder."""
    folder = address.bus_folder(settings.data_dir)
    check_owner(settings.data_dir)
    store_swap.finish(folder)
    if not has_store(folder):
        raise DocQAError(f"There is nothing to back up: no message bus ever ran on {settings.data_dir}.")
    async with serving(work, settings, folder / config.STORE, settings.data_dir) as bus:
        yield bus


def check_owner(data_dir: Path) -> None:
    """Raises DocQAError if this would leave files that the owner of the folder cannot read."""
    owner = data_dir.stat().st_uid
    if os.geteuid() != owner:
        raise DocQAError(
            f"{data_dir} belongs to user {owner}: run this as that user, who must be able to read the new files."
        )


def has_store(folder: Path) -> bool:
    return any((folder / config.STORE).glob("jetstream/*/streams/*"))
