"""Where a backup comes from: a bus that runs, or the store of one that does not."""

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
from ops.supervisor.data_dir import claimed


@contextlib.asynccontextmanager
async def source(environment: Mapping[str, str], settings: BackupSettings, place: Path) -> AsyncIterator[Bus]:
    """The bus to back up, as its admin; `place` is for files of a server that has to be started. Raises DocQAError."""
    async with contextlib.AsyncExitStack() as held:
        if environment.get("DOCQA_NATS_URL"):
            yield await held.enter_async_context(admin_bus(environment, settings.data_dir))
            return
        try:
            held.enter_context(claimed(settings.data_dir))
        except AlreadyRunningError:
            yield await held.enter_async_context(admin_bus(environment, settings.data_dir))
            return
        yield await held.enter_async_context(at_rest(settings, place))


@contextlib.asynccontextmanager
async def at_rest(settings: BackupSettings, place: Path) -> AsyncIterator[Bus]:
    """The store of a bus that does not run; the data folder is claimed by the caller."""
    folder = address.bus_folder(settings.data_dir)
    check_owner(settings.data_dir)
    store_swap.finish(folder)
    if not has_store(folder):
        raise DocQAError(f"There is nothing to back up: no bus ever ran on {settings.data_dir}.")
    async with serving(place, settings, folder / config.STORE, settings.data_dir) as bus:
        yield bus


def check_owner(data_dir: Path) -> None:
    """Raises DocQAError where files would be left that their user can't read."""
    owner = data_dir.stat().st_uid
    if os.geteuid() != owner:
        raise DocQAError(f"{data_dir} belongs to user {owner}: run this as that user, who has to read what is written.")


def has_store(folder: Path) -> bool:
    return any((folder / config.STORE).glob("jetstream/*/streams/*"))
