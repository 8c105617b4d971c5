"""Makes anew what somebody deleted from a bus that runs: a stream, a bucket or a durable consumer.

Without it jobs would be refused, or accepted and never delivered, until the next start.
"""

import nats.errors
import nats.js.errors
import structlog

from contract import topology
from contract.bus import Bus
from contract.bus.provision import provision, stream_names
from contract.errors import BusError
from contract.settings import QueueSettings

_DURABLES = (
    (topology.JOBS_STREAM, topology.WORKER_DURABLE),
    (topology.IMPORTS_STREAM, topology.LIBRARY_DURABLE),
)

log = structlog.get_logger(__name__)


async def make_anew(bus: Bus, settings: QueueSettings) -> list[str]:
    """The names of what was missing and is there again; raises BusError."""
    try:
        missing = await _missing(bus, settings)
    except (nats.js.errors.Error, nats.errors.Error, TimeoutError, OSError) as error:
        raise BusError(f"The bus does not say what is set up: {error}.") from None
    if missing:
        log.warning("parts of the message bus were deleted, and are made anew", missing=missing)
        await provision(bus, settings)
    return missing


async def _missing(bus: Bus, settings: QueueSettings) -> list[str]:
    there = {info.config.name for info in await bus.js.streams_info()}
    missing = [name for name in stream_names(settings) if name not in there]
    for stream, durable in _DURABLES:
        if stream in there and not await _has_consumer(bus, stream, durable):
            missing.append(durable)
    return missing


async def _has_consumer(bus: Bus, stream: str, durable: str) -> bool:
    try:
        await bus.js.consumer_info(stream, durable)
    except nats.js.errors.NotFoundError:
        return False
    return True
