"""The bus as its admin reaches it: the embedded one of the data folder, or the one that DOCQA_NATS_URL names."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

from contract.bus import Bus, connected
from contract.bus.provision import provision
from contract.errors import BusError, BusUnavailableError
from contract.settings import BusSettings, QueueSettings, load
from ops.nats import address

_PROVISIONS_WITHIN_S: Final = 15.0
_LOGS_IN_WITHIN_S: Final = 10.0


async def provision_elsewhere(bus_settings: BusSettings, settings: QueueSettings) -> None:
    """Make the streams on a server that somebody else runs; raises BusError."""
    try:
        async with asyncio.timeout(_PROVISIONS_WITHIN_S), connected(bus_settings, "admin") as bus:
            await provision(bus, settings)
    except TimeoutError:
        raise BusError("DOCQA_NATS_URL: no nats-server lets the user `admin` in there within 15 s.") from None


@contextlib.asynccontextmanager
async def admin_bus(environment: Mapping[str, str], data_dir: Path) -> AsyncIterator[Bus]:
    """A connection for the time of a block; raises BusUnavailableError when nobody lets the admin in."""
    if not environment.get("DOCQA_NATS_URL"):
        environment = {**environment, **address.environment_for(data_dir, "admin")}
    if not environment.get("DOCQA_NATS_URL"):
        raise BusUnavailableError(f"No bus ever ran on {data_dir}: start it with `docqa up`, or name its --data-dir.")
    settings = load(BusSettings, environment)
    bus = Bus()
    try:
        async with asyncio.timeout(_LOGS_IN_WITHIN_S):
            await bus.connect(settings, "admin")
    except TimeoutError:
        await bus.close()
        raise BusUnavailableError(
            f"No nats-server lets the user `admin` in at {settings.nats_url}: is it running (`docqa up`)?"
        ) from None
    try:
        yield bus
    finally:
        await bus.close()
