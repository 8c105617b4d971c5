"""Asks the library over the bus. Knows how a library that is not there shows; what it answers is for the caller."""

import asyncio
import time
from typing import Final, TypeVar

import msgspec

from contract import library_messages as messages
from contract.bus.client import Bus
from contract.errors import BusError, LibraryRefusedError, MessageTooLargeError
from contract.topology import LibraryAddress, LibraryOperation

T = TypeVar("T", bound=msgspec.Struct)

_AT_ONCE_S: Final = 0.05


async def ask(
    bus: Bus,
    operation: LibraryOperation,
    publisher: str,
    client: str,
    request: msgspec.Struct,
    reply: type[T],
    timeout_s: float = messages.TIMEOUT_S,
) -> T:
    """Ask for `publisher`'s `client`, wait for the reply.

    Raises LibraryRefusedError with the library's code and sentence; its code is `library-unavailable` where the bus or
    the library does not answer in time. Everything that can be asked is safe to repeat.
    """
    address = LibraryAddress(operation, publisher, client)
    try:
        body = await _requested(bus, address.subject, messages.encode(request), timeout_s)
    except MessageTooLargeError:
        raise LibraryRefusedError("bad-request", "The request is larger than the bus accepts.") from None
    except BusError:
        raise LibraryRefusedError("library-unavailable", "The library does not answer: try again.", 2) from None
    return messages.decode_reply(reply, body)


async def _requested(bus: Bus, subject: str, body: bytes, timeout_s: float) -> bytes:
    began_s = time.monotonic()
    try:
        return await bus.request(subject, body, timeout_s)
    except MessageTooLargeError:
        raise
    except BusError:
        if time.monotonic() - began_s > _AT_ONCE_S:
            raise
    # "No responders" at once: nats-server also says so in the moment after a library has subscribed.
    await asyncio.sleep(_AT_ONCE_S)
    return await bus.request(subject, body, timeout_s)
