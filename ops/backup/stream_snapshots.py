"""One stream of the bus as bytes, and back, by nats-server's own snapshot API; as the admin only.

The bytes are the server's: a tar, compressed by s2, of the stream's blocks and its consumers. Plain text, also from a
server that encrypts its store.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
import nats.errors

from contract.bus import Bus
from contract.errors import BusError, BusUnavailableError

_CHUNK_BYTES: Final = 128 * 1024
_ANSWERS_WITHIN_S: Final = 300.0
"""First the server checks, and at the end of a restore reads, all messages."""
_GOES_ON_WITHIN_S: Final = 30.0
_DONE: Final = "204"


class State(msgspec.Struct, frozen=True):
    """How a stream stands."""

    messages: int = 0
    first_seq: int = 0
    last_seq: int = 0
    consumer_count: int = 0


class Taken(msgspec.Struct, frozen=True):
    """What a snapshot begins with: the stream's configuration, as the server wrote it, and its state by then."""

    config: dict[str, Any]
    state: State


class _Trouble(msgspec.Struct):
    description: str = ""


class _Answer(msgspec.Struct):
    error: _Trouble | None = None
    config: dict[str, Any] = {}
    state: State = State()
    deliver_subject: str = ""


class _Names(msgspec.Struct):
    streams: list[str] | None = None
    total: int = 0


async def names(bus: Bus) -> list[str]:
    """All streams of the account, buckets among them; raises BusError."""
    found: list[str] = []
    while True:
        question = msgspec.json.encode({"offset": len(found)})
        page = msgspec.json.decode(await bus.request("$JS.API.STREAM.NAMES", question), type=_Names)
        found += page.streams or []
        if not page.streams or len(found) >= page.total:
            return sorted(found)


async def state(bus: Bus, stream: str) -> State:
    """Raises BusError."""
    return (await _ask(bus, f"$JS.API.STREAM.INFO.{stream}", b"", _GOES_ON_WITHIN_S)).state


async def save(bus: Bus, stream: str, write: Callable[[bytes], object]) -> Taken:
    """Pass a snapshot of the stream to `write`, piece by piece; raises BusError, and what `write` raises.

    The stream goes on meanwhile: what comes and goes until the end may be in it or not.
    """
    inbox = bus.client.new_inbox()
    subscription = await bus.client.subscribe(inbox)
    try:
        wanted = {"deliver_subject": inbox, "chunk_size": _CHUNK_BYTES, "no_consumers": False, "jsck": True}
        subject = f"$JS.API.STREAM.SNAPSHOT.{stream}"
        answer = await _ask(bus, subject, msgspec.json.encode(wanted), _ANSWERS_WITHIN_S)
        while True:
            piece = await subscription.next_msg(timeout=_GOES_ON_WITHIN_S)
            if not piece.data:
                _check_end(stream, piece.headers)
                return Taken(answer.config, answer.state)
            write(piece.data)
            if piece.reply:
                await bus.publish(piece.reply, b"")
    except (nats.errors.Error, TimeoutError):
        raise BusUnavailableError(f"The bus broke off in the middle of a snapshot of {stream}: try again.") from None
    finally:
        await _end(subscription)


async def restore(bus: Bus, taken: Taken, pieces: Iterable[bytes]) -> State:
    """Make the stream anew of a snapshot; how it stands then. It must not exist. Raises BusError."""
    stream = str(taken.config["name"])
    begin = await _ask(bus, f"$JS.API.STREAM.RESTORE.{stream}", msgspec.json.encode(taken), _GOES_ON_WITHIN_S)
    for piece in pieces:
        _check(await bus.request(begin.deliver_subject, piece, _GOES_ON_WITHIN_S))
    return _check(await bus.request(begin.deliver_subject, b"", _ANSWERS_WITHIN_S)).state


async def delete(bus: Bus, stream: str) -> None:
    """Raises BusError."""
    await _ask(bus, f"$JS.API.STREAM.DELETE.{stream}", b"", _GOES_ON_WITHIN_S)


async def _ask(bus: Bus, subject: str, question: bytes, timeout_s: float) -> _Answer:
    return _check(await bus.request(subject, question, timeout_s))


def _check(reply: bytes) -> _Answer:
    answer = msgspec.json.decode(reply, type=_Answer) if reply else _Answer()
    if answer.error:
        raise BusError(f"The bus refused: {answer.error.description}.")
    return answer


def _check_end(stream: str, headers: dict[str, str] | None) -> None:
    """An empty piece ends a snapshot, also one that failed: then its status says so."""
    status = (headers or {}).get("Status", _DONE)
    if status != _DONE:
        why = (headers or {}).get("Description", "")
        raise BusError(f"The bus broke off a snapshot of {stream}: {status} {why}".rstrip() + ".")


async def _end(subscription: Any) -> None:
    try:
        await subscription.unsubscribe()
    except nats.errors.Error:
        return
