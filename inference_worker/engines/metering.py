"""An engine whose answers are counted: for whom, by whom, how many tokens. Passes everything on as it comes."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from typing import Final

import structlog

from contract.bus.bucket import Bucket
from contract.errors import BusError, OutcomeUnknownError
from contract.messages import Backend, Query, Usage
from contract.usage_records import ClientDay, answers_of, client_key, day_of, decode, encode
from inference_worker.engines.base import Completion, Engine, Piece

log = structlog.get_logger(__name__)


PERIOD_S: Final = 2.0
_MOST_PENDING: Final = 10_000
"""Days of clients that are kept while the bus is away."""


def _now() -> datetime:
    return datetime.now(UTC)


class UsageLedger:
    """Counts in memory, and in the bucket of usage."""

    def __init__(self, bucket: Bucket, now: Callable[[], datetime] = _now) -> None:
        self._bucket = bucket
        self._now = now
        self._pending: dict[str, ClientDay] = {}
        self._writing: asyncio.Task[None] | None = None
        self._has_warned = False

    def count(self, owner: str, backend: Backend, usage: Usage) -> None:
        """One answer."""
        one = answers_of(usage)
        match backend:
            case "local":
                self._add(owner, ClientDay(local=one))
            case "proxy":
                self._add(owner, ClientDay(proxy=one))
            case "cache":
                self._add(owner, ClientDay(cache=one))

    def lose(self, owner: str, tokens: int) -> None:
        """Tokens of the proxy's that came to no answer."""
        self._add(owner, ClientDay(lost_tokens=tokens))

    async def close(self) -> None:
        """Write what is not written yet, if the bus is there."""
        if self._writing:
            self._writing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._writing
        await self.flush()

    async def flush(self) -> None:
        """Write all that is pending; what can't be written stays."""
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
            log.warning("usage can't be written, it is kept", reason=str(error))


class Metered:
    """Owns the engine from its making on, and closes it."""

    def __init__(self, engine: Engine, ledger: UsageLedger) -> None:
        self._engine = engine
        self._ledger = ledger
        self.model_name = engine.model_name
        self.slots = engine.slots

    @property
    def context_tokens(self) -> int:
        return self._engine.context_tokens

    @property
    def max_prompt_bytes(self) -> int:
        return self._engine.max_prompt_bytes

    @property
    def tokens_generated(self) -> int:
        return self._engine.tokens_generated

    @property
    def stalled_s(self) -> float:
        return self._engine.stalled_s

    def watch(self, query: Query, owner: str) -> Callable[[], bool]:
        """As the engine says."""
        return self._engine.watch(query, owner)

    async def generate(self, query: Query, owner: str) -> AsyncGenerator[Piece | Completion, None]:
        """As the engine yields them."""
        async with contextlib.aclosing(self._engine.generate(query, owner)) as events:
            async for event in events:
                if isinstance(event, Completion):
                    self._ledger.count(owner, event.backend, event.usage)
                yield event

    async def close(self) -> None:
        """Close the engine, then write down what was counted last."""
        await self._engine.close()
        await self._ledger.close()
