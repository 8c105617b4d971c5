"""Saves and restores one stream of the message bus through nats-server's snapshot API, as its admin.

The server defines the bytes: a tar, compressed by s2, of the stream's blocks and its consumers; not encrypted, even if
the server encrypts its store.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
import nats.errors

from contract.bus import Bus, api
from contract.bus.stream_info import ApiError, StreamState
from contract.errors import BusError, BusUnavailableError, NotProvisionedError

_CHUNK_BYTES: Final = 128 * 1024
_ANSWERS_WITHIN_S: Final = 300.0
"""The server checks all messages before a snapshot and reads all at the end of a restore."""
_CONTINUES_WITHIN_S: Final = 30.0
_RECEIVER_AGAIN_AFTER_S: Final = 0.05
_DONE: Final = "204"


class Taken(msgspec.Struct, frozen=True):
    """The head of a snapshot: the stream's configuration, as the server wrote it, and its state at that moment."""

    config: dict[str, Any]
    state: StreamState


class _Reply(msgspec.Struct):
    error: ApiError | None = None
    config: dict[str, Any] = {}
    state: StreamState = StreamState()
    deliver_subject: str = ""


class _Names(msgspec.Struct):
    streams: list[str] | None = None
    total: int = 0


async def names(bus: Bus) -> list[str]:
    """All streams of the account, including buckets; raises BusError."""
    found: list[str] = []
    while True:
        question = msgspec.json.encode({"offset": len(found)})
        page = msgspec.json.decode(await bus.request(api.STREAM_NAMES, question), type=_Names)
        found += page.streams or []
        if not page.streams or len(found) >= page.total:
            return sorted(found)


async def state(bus: Bus, stream: str) -> StreamState:
    """Raises BusError."""
    return (await _ask(bus, api.stream_info(stream), b"", _CONTINUES_WITHIN_S)).state


async def save(bus: Bus, stream: str, write: Callable[[bytes], object]) -> Taken:
    """Pass a snapshot of the stream to `write`, piece by piece; raises BusError, and what `write` raises.

    The stream stays in use: messages that come or go meanwhile may be included or not.
    """
    inbox = bus.client.new_inbox()
    subscription = await bus.client.subscribe(inbox)
    try:
        wanted = {"deliver_subject": inbox, "chunk_size": _CHUNK_BYTES, "no_consumers": False, "jsck": True}
        subject = api.stream_snapshot(stream)
        answer = await _ask(bus, subject, msgspec.json.encode(wanted), _ANSWERS_WITHIN_S)
        while True:
            piece = await subscription.next_msg(timeout=_CONTINUES_WITHIN_S)
            if not piece.data:
                _check_end(stream, piece.headers)
                return Taken(answer.config, answer.state)
            write(piece.data)
            if piece.reply:
                await bus.publish(piece.reply, b"")
    except (nats.errors.Error, TimeoutError):
        raise BusUnavailableError(
            f"The message bus stopped in the middle of a snapshot of {stream}: try again."
        ) from None
    finally:
        await _end(subscription)


async def restore(bus: Bus, taken: Taken, pieces: Iterable[bytes]) -> StreamState:
    """Create the stream, which must not exist, from a snapshot; returns its state. Raises BusError."""
    stream = str(taken.config["name"])
    begin = await _ask(bus, api.stream_restore(stream), msgspec.json.encode(taken), _CONTINUES_WITHIN_S)
    for piece in pieces:
        _check(await _delivered(bus, begin.deliver_subject, piece, _CONTINUES_WITHIN_S))
    return _check(await _delivered(bus, begin.deliver_subject, b"", _ANSWERS_WITHIN_S)).state


async def delete(bus: Bus, stream: str) -> None:
    """Raises BusError."""
    await _ask(bus, api.stream_delete(stream), b"", _CONTINUES_WITHIN_S)


async def _delivered(bus: Bus, subject: str, piece: bytes, timeout_s: float) -> bytes:
    """The reply. In a cluster another server may receive the pieces, and ours hears of that a moment later."""
    end_s = time.monotonic() + _CONTINUES_WITHIN_S
    while True:
        try:
            return await bus.request(subject, piece, timeout_s)
        except NotProvisionedError:  # no receiver: nothing was delivered
            if time.monotonic() > end_s:
                raise
        await asyncio.sleep(_RECEIVER_AGAIN_AFTER_S)


async def _ask(bus: Bus, subject: str, question: bytes, timeout_s: float) -> _Reply:
    return _check(await bus.request(subject, question, timeout_s))


def _check(reply: bytes) -> _Reply:
    answer = msgspec.json.decode(reply, type=_Reply) if reply else _Reply()
    if answer.error:
        raise BusError(f"The message bus refused: {answer.error.description}.")
    return answer


def _check_end(stream: str, headers: dict[str, str] | None) -> None:
    """An empty piece ends a snapshot; its status header shows whether it failed."""
    status = (headers or {}).get("Status", _DONE)
    if status != _DONE:
        why = (headers or {}).get("Description", "")
        raise BusError(f"The message bus broke off a snapshot of {stream}: {status} {why}".rstrip() + ".")


async def _end(subscription: Any) -> None:
    try:
        await subscription.unsubscribe()
    except nats.errors.Error:
        return
