"""Waiting for a condition with an end: the only way a test here waits for another process."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import httpx
import nats.errors

from contract.errors import BusError

T = TypeVar("T")

NOT_YET = (BusError, nats.errors.Error, httpx.TransportError)
"""Errors of a service that is only unavailable for the moment."""


async def eventually(
    probe: Callable[[], Awaitable[T | None]], what: str, timeout_s: float = 30.0, every_s: float = 0.05
) -> T:
    """The first true value of `probe`; fails with `what` after `timeout_s`."""
    end = time.monotonic() + timeout_s
    last: object = None
    while time.monotonic() < end:
        try:
            value = await probe()
        except NOT_YET as error:
            last = error
        else:
            if value:
                return value
            last = value
        await asyncio.sleep(every_s)
    raise AssertionError(f"Not within {timeout_s:g} s: {what} (last seen: {last!r}).")


def until(probe: Callable[[], T | None], what: str, timeout_s: float = 30.0, every_s: float = 0.05) -> T:
    """The same for a fixture that has no event loop."""
    end = time.monotonic() + timeout_s
    last: object = None
    while time.monotonic() < end:
        if value := probe():
            return value
        last = value
        time.sleep(every_s)
    raise AssertionError(f"Not within {timeout_s:g} s: {what} (last seen: {last!r}).")
