"""Run the library: open its store, connect to the bus, import and answer until a signal."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import structlog
import uvloop

from contract.bus import Bus
from contract.documents import root_overlaps
from contract.embedding import open_embedders
from contract.errors import AlreadyRunningError, SettingsError
from contract.runtime import tasks
from contract.runtime.files import write_atomically
from contract.runtime.lock import FileLock
from contract.runtime.metrics import BUS_CONNECTED
from contract.runtime.startup import prepared, run_service
from contract.runtime.status_server import StatusServer
from contract.runtime.systemd import Notifier
from library.condition import Condition
from library.service import Library
from library.settings import ROLE, LibrarySettings
from library.store.faults import StoreError

_LOOPS_END_WITHIN_S: Final = 5.0
_ALIVE_EVERY_S: Final = 1.0

log = structlog.get_logger(__name__)


class Health:
    """Whether the library answers, and if not, why. Read by any thread."""

    def __init__(self, bus: Bus, condition: Condition) -> None:
        self._bus = bus
        self._condition = condition
        self.is_open = False
        self.is_stopping = False

    def not_ready_reason(self) -> str | None:
        """One sentence; None when it is ready."""
        if self.is_stopping:
            return "The library is stopping."
        if not self._bus.is_connected:
            return "The bus is not connected."
        if not self.is_open:
            return "The library is being opened."
        return " ".join(self._condition.problems()) or None


def main() -> int:
    """Exit status: 0 after a signal, 2 with a sentence when it can't start, 71 when it is cut off from the bus."""
    return run_service(ROLE, "Keep, read and find documents.", lambda ready_file: run(os.environ, ready_file))


def run(environment: Mapping[str, str], ready_file: Path | None) -> None:
    """Work until SIGTERM or SIGINT."""
    notifier = Notifier.from_environment(environment, os.getpid())
    with prepared(LibrarySettings, ROLE, environment) as (loaded, _):
        if loaded.root and root_overlaps(loaded.root, loaded.data_dir):
            raise SettingsError(f"DOCQA_ROOT: {loaded.root} and the data folder {loaded.data_dir} must lie apart.")
        lock = FileLock(loaded.folder / "lock")
        try:
            lock.acquire()
        except AlreadyRunningError:
            raise SettingsError(f"Another library (process {lock.holder()}) works on {loaded.folder}.") from None
        except OSError as error:
            raise SettingsError(f"DOCQA_DATA_DIR: {loaded.folder} can't be written ({error.strerror}).") from None
        try:
            uvloop.run(work(loaded, ready_file, notifier))
        except StoreError as error:
            raise SettingsError(str(error)) from None


async def work(loaded: LibrarySettings, ready_file: Path | None, notifier: Notifier) -> None:
    """Open, connect, serve, close: each step once, downward."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    bus = Bus()
    condition = Condition()
    health = Health(bus, condition)
    BUS_CONNECTED.set_function(lambda: bus.is_connected)
    with StatusServer(loaded.metrics_addr, health.not_ready_reason) as status:
        embedders = open_embedders(loaded.embedding_model, len(os.sched_getaffinity(0)))
        library = Library(loaded, bus, embedders, condition=condition)
        stopping = asyncio.create_task(stop.wait(), name="stop")
        serving = asyncio.create_task(serve(library, health, notifier, status.address, ready_file), name="serve")
        await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
        health.is_stopping = True
        notifier.stopping()
        await tasks.end(serving, again_after_s=2 * _LOOPS_END_WITHIN_S)
        await library.close()
        await tasks.end_others()
        if not stop.is_set():
            serving.result()


async def serve(
    library: Library, health: Health, notifier: Notifier, metrics_address: str, ready_file: Path | None
) -> None:
    """Connect, then work until cancelled."""
    await library.connect()
    health.is_open = True
    notifier.ready()
    log.info("library ready")
    if ready_file:
        described = {"pid": os.getpid(), "metrics": metrics_address}
        write_atomically(ready_file, json.dumps(described).encode())
    living = asyncio.create_task(give_signs_of_life(notifier), name="signs of life")
    try:
        await library.run()
    finally:
        living.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await living


async def give_signs_of_life(notifier: Notifier) -> None:
    """Notify the service manager's watchdog from the loop that answers requests: a blocked loop does not."""
    while True:
        notifier.alive()
        await asyncio.sleep(min(_ALIVE_EVERY_S, notifier.watchdog_s / 2))


if __name__ == "__main__":
    sys.exit(main())
