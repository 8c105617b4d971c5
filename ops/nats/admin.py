"""The bus as its admin reaches it: the embedded one of the data folder, or the one that DOCQA_NATS_URL names."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

from contract.bus import Bus
from contract.errors import BusUnavailableError
from contract.settings import BusSettings, load
from ops.nats import address

_ANSWERS_WITHIN_S: Final = 10.0


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
        async with asyncio.timeout(_ANSWERS_WITHIN_S):
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
