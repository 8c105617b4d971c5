"""Finds jobs that stay in the stream although the consumer has passed them, and has them delivered again.

An ack that reaches nats-server while its store is broken advances the consumer, but the job cannot be removed: it keeps
its queue slot and is never delivered again. After a new delivery it leaves the stream as usual: the worker finds its
result and acks it once more; a job without a result is run.
"""

import asyncio
from typing import Final

import msgspec

from contract import topology
from contract.bus import Bus, api
from contract.bus.stream_info import ApiError, ConsumerInfo, StreamState
from contract.errors import BusError

_STREAM: Final = api.stream_info(topology.JOBS_STREAM)
_DURABLE: Final = api.consumer_info(topology.JOBS_STREAM, topology.WORKER_DURABLE)
_RESET: Final = api.consumer_reset(topology.JOBS_STREAM, topology.WORKER_DURABLE)
_FROM_THE_FIRST: Final = b'{"seq":1}'

_CERTAIN_AFTER: Final = 10
"""Probes. A job moves between the server's counts within milliseconds, so that one probe may miss it."""
_MOST_PROBES: Final = 3 * _CERTAIN_AFTER
"""A probe during which jobs moved does not count."""
_PROBE_EVERY_S: Final = 0.1


class _Stream(msgspec.Struct, frozen=True):
    state: StreamState


class _Reply(msgspec.Struct, frozen=True):
    error: ApiError | None = None


async def redeliver_stuck(bus: Bus) -> int:
    """Have every job of the stream delivered again if some certainly never would be; returns how many those are.

    A job that a worker holds is delivered to it again, and the worker continues with it. Raises BusError.
    """
    certain = 0
    for _ in range(_MOST_PROBES):
        count = await _count(bus)
        if count == 0:
            return 0
        certain += count is not None
        if count and certain == _CERTAIN_AFTER:
            await redeliver_all(bus)
            return count
        await asyncio.sleep(_PROBE_EVERY_S)
    return 0


async def _count(bus: Bus) -> int | None:
    """How many jobs are neither pending nor held by a worker; None if jobs moved during the probe."""
    try:
        before = msgspec.json.decode(await bus.request(_DURABLE, b""), type=ConsumerInfo)
        stream = msgspec.json.decode(await bus.request(_STREAM, b""), type=_Stream)
        after = msgspec.json.decode(await bus.request(_DURABLE, b""), type=ConsumerInfo)
    except msgspec.DecodeError:
        raise BusError("The message bus sent a description of its queue that cannot be read.") from None
    if before != after:
        return None
    return max(stream.state.messages - after.num_pending - after.num_ack_pending, 0)


async def redeliver_all(bus: Bus) -> None:
    """Have every job of the stream delivered once more; raises BusError."""
    reply = msgspec.json.decode(await bus.request(_RESET, _FROM_THE_FIRST), type=_Reply)
    if reply.error:
        raise BusError(f"The message bus refused to deliver its jobs again: {reply.error.description}.")
