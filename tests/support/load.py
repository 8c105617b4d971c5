"""Clients that keep asking, whatever happens to the services, and record each reply in a ledger."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator

import httpx

from tests.support.client import Client
from tests.support.ledger import Ledger
from tests.support.stack import Stack

RETRY_S = 0.2
"""Shorter than the Retry-After that they are given: a load test wants a full queue."""


class Load:
    """Some clients wait for their answers, the others do not."""

    def __init__(self, client: Client, ledger: Ledger) -> None:
        self._client = client
        self._ledger = ledger
        self._numbers = itertools.count()
        self._is_over = asyncio.Event()

    @classmethod
    @contextlib.asynccontextmanager
    async def on(cls, stack: Stack, ledger: Ledger, *, posting: int, waiting: int) -> AsyncIterator[None]:
        """Load for the time of a block; at its end each client finishes the request that it is at."""
        async with stack.client() as client:
            load = cls(client, ledger)
            tasks = [asyncio.create_task(load._run(waits=n < waiting)) for n in range(posting + waiting)]
            try:
                yield
            finally:
                load._is_over.set()
                await asyncio.gather(*tasks)

    async def _run(self, *, waits: bool) -> None:
        while not self._is_over.is_set():
            await self._post(waits=waits)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._is_over.wait(), RETRY_S)

    async def _post(self, *, waits: bool) -> None:
        question = f"Question {next(self._numbers)}?"
        try:
            self._ledger.note(await (self._client.ask(question) if waits else self._client.post(question)))
        except httpx.ConnectError:
            return  # nothing listened, so nothing was sent
        except httpx.TransportError:
            self._ledger.broken += 1
