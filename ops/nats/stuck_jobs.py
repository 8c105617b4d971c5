"""Jobs that the stream holds and nobody would ever get, and how they are brought back.

A worker's ack that reaches nats-server while its store is broken moves the durable on, but the job can't be removed:
it keeps its place, and for a work queue the server never looks again. Delivered anew it leaves the stream in the usual
way: the worker finds its result and acks it once more, and a job without a result would be run.
"""

import asyncio
from typing import Final

import msgspec

from contract import topology
from contract.bus import Bus
from contract.errors import BusError

_STREAM: Final = f"$JS.API.STREAM.INFO.{topology.JOBS_STREAM}"
_DURABLE: Final = f"$JS.API.CONSUMER.INFO.{topology.JOBS_STREAM}.{topology.WORKER_DURABLE}"
_RESET: Final = f"$JS.API.CONSUMER.RESET.{topology.JOBS_STREAM}.{topology.WORKER_DURABLE}"
_FROM_THE_FIRST: Final = b'{"seq":1}'

_SURE_AFTER: Final = 10
"""Looks. A job moves from one of the server's counts to another within milliseconds: one look may fall in between."""
_LOOKS: Final = 3 * _SURE_AFTER
"""At most: one during which jobs moved tells nothing."""
_APART_S: Final = 0.1


class _Delivered(msgspec.Struct, frozen=True):
    consumer_seq: int


class _Durable(msgspec.Struct, frozen=True):
    delivered: _Delivered
    num_pending: int
    num_ack_pending: int


class _State(msgspec.Struct, frozen=True):
    messages: int


class _Stream(msgspec.Struct, frozen=True):
    state: _State


class _Answer(msgspec.Struct, frozen=True):
    error: dict[str, object] | None = None


async def bring_back(bus: Bus) -> int:
    """Let every job of the stream be delivered anew where it is sure that some never would be; how many those are.

    A job that a worker holds comes to it again, and the worker goes on with it. Raises BusError.
    """
    sure = 0
    for _ in range(_LOOKS):
        count = await _count(bus)
        if count == 0:
            return 0
        sure += count is not None
        if count and sure == _SURE_AFTER:
            await deliver_anew(bus)
            return count
        await asyncio.sleep(_APART_S)
    return 0


async def _count(bus: Bus) -> int | None:
    """How many jobs are neither to be delivered nor held; None when jobs moved during the look."""
    try:
        before = msgspec.json.decode(await bus.request(_DURABLE, b""), type=_Durable)
        stream = msgspec.json.decode(await bus.request(_STREAM, b""), type=_Stream)
        after = msgspec.json.decode(await bus.request(_DURABLE, b""), type=_Durable)
    except msgspec.DecodeError:
        raise BusError("The bus does not say how its jobs stand.") from None
    if before != after:
        return None
    return max(stream.state.messages - after.num_pending - after.num_ack_pending, 0)


async def deliver_anew(bus: Bus) -> None:
    """Let every job of the stream be delivered once more; raises BusError."""
    answer = msgspec.json.decode(await bus.request(_RESET, _FROM_THE_FIRST), type=_Answer)
    if answer.error:
        raise BusError(f"The bus does not deliver its jobs anew: {answer.error.get('description')}.")
