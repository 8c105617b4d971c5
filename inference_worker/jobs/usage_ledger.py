"""Counts answers and tokens by day and client, in memory first; writes the sums to the bucket of usage."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import structlog

from contract.bus.bucket import Bucket
from contract.errors import BusError, OutcomeUnknownError
from contract.messages import Backend, Usage
from contract.usage_records import ClientDay, answers_of, client_key, day_of, decode, encode

PERIOD_S: Final = 2.0
_MOST_PENDING: Final = 10_000
"""How many client days are kept in memory while the bus is unavailable; further ones are not counted."""

log = structlog.get_logger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


class UsageLedger:
    """Sums in memory, added to the bucket every PERIOD_S while there is something to add."""

    def __init__(self, bucket: Bucket, now: Callable[[], datetime] = _now) -> None:
        self._bucket = bucket
        self._now = now
        self._pending: dict[str, ClientDay] = {}
        self._writing: asyncio.Task[None] | None = None
        self._has_warned = False

    def count(self, owner: str, backend: Backend, usage: Usage) -> None:
        """Count one answer for `owner` (`<publisher>.<client>`)."""
        one = answers_of(usage)
        match backend:
            case "local":
                self._add(owner, ClientDay(local=one))
            case "proxy":
                self._add(owner, ClientDay(proxy=one))
            case "cache":
                self._add(owner, ClientDay(cache=one))

    def lose(self, owner: str, tokens: int) -> None:
        """Count tokens that the proxy may have charged without giving an answer."""
        self._add(owner, ClientDay(lost_tokens=tokens))

    async def close(self) -> None:
        """Write what is pending, if the bus is available."""
        if self._writing:
            self._writing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._writing
        await self.flush()

    async def flush(self) -> None:
        """Write what is pending; what can't be written stays pending."""
        pending, self._pending = self._pending, {}
        while pending:
            key, more = pending.popitem()
            try:
                await self._write(key, more)
            except BusError as error:
                self._put_back({**pending, key: more}, error)
                return

    def _add(self, owner: str, more: ClientDay) -> None:
        key = client_key(day_of(self._now()), owner)
        if key in self._pending or len(self._pending) < _MOST_PENDING:
            self._pending[key] = self._pending.get(key, ClientDay()) + more
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_later(), name="write usage")

    async def _write_later(self) -> None:
        while self._pending:
            await asyncio.sleep(PERIOD_S)
            await self.flush()

    async def _write(self, key: str, more: ClientDay) -> None:
        while True:
            entry = await self._bucket.get(key)
            total = decode(entry.value if entry else None, ClientDay) + more
            try:
                if await self._bucket.swap(key, encode(total), entry.seq if entry else 0):
                    return
            except OutcomeUnknownError:
                # Written or not: counted twice would be worse.
                return

    def _put_back(self, unwritten: dict[str, ClientDay], error: BusError) -> None:
        for key, counted in unwritten.items():
            self._pending[key] = self._pending.get(key, ClientDay()) + counted
        if not self._has_warned:
            self._has_warned = True
            log.warning("usage can't be written; it is kept in memory", reason=str(error))
