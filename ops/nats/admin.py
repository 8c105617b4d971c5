"""Logs in to the message bus as its admin: to the embedded one of a data folder, or the one DOCQA_NATS_URL names."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

from contract.bus import Bus
from contract.bus.provision import keeps_erased, provision
from contract.errors import BusUnavailableError
from contract.runtime.terminal import echo
from contract.settings import BusSettings, QueueSettings, load
from ops.nats import address

_LOGS_IN_WITHIN_S: Final = 10.0
_PROVISIONS_WITHIN_S: Final = 15.0
_KEEPS_ERASED: Final = (
    "This message bus was set up by an older release and keeps the results of erased documents in its files: stop "
    "everything and run `docqa backup create && docqa backup restore latest --replace` to lift that."
)


@contextlib.asynccontextmanager
async def logged_in(settings: BusSettings) -> AsyncIterator[Bus]:
    """A connection as `admin` for the time of a block; raises BusUnavailableError if there is none within 10 s."""
    bus = Bus()
    try:
        try:
            async with asyncio.timeout(_LOGS_IN_WITHIN_S):
                await bus.connect(settings, "admin")
        except TimeoutError:
            raise BusUnavailableError(
                f"Cannot log in to nats-server at {settings.nats_url} as `admin`: is it running (`docqa up`), and is "
                "the password right?"
            ) from None
        yield bus
    finally:
        await bus.close()


@contextlib.asynccontextmanager
async def admin_bus(environment: Mapping[str, str], data_dir: Path) -> AsyncIterator[Bus]:
    """A connection to the bus that these settings mean, for the time of a block; raises BusUnavailableError."""
    if not environment.get("DOCQA_NATS_URL"):
        environment = {**environment, **address.environment_for(data_dir, "admin")}
    if not environment.get("DOCQA_NATS_URL"):
        raise BusUnavailableError(
            f"No message bus ever ran on {data_dir}: start it with `docqa up`, or name its --data-dir."
        )
    async with logged_in(load(BusSettings, environment)) as bus:
        yield bus


async def provision_as_admin(bus_settings: BusSettings, settings: QueueSettings) -> None:
    """Make the streams and buckets, or bring them up to date; raises BusError."""
    async with logged_in(bus_settings) as bus:
        try:
            async with asyncio.timeout(_PROVISIONS_WITHIN_S):
                await provision(bus, settings)
                if await keeps_erased(bus):
                    echo(f"docqa: {_KEEPS_ERASED}", err=True)
        except TimeoutError:
            raise BusUnavailableError("nats-server did not create the streams within 15 s: try again.") from None
