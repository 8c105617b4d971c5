"""The proxy's tokens of a day: reserved before a call at the most that it may cost, settled by what it did cost.

One number in a bucket, changed by compare-and-set, so that all workers share it. A reservation that is never settled,
since its worker was killed or the bus was unavailable, stays counted: the budget is never exceeded, at the price of
tokens that stay unused.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import structlog

from contract.bus.bucket import Bucket, Entry
from contract.errors import BudgetExhaustedError, BusError
from contract.usage_records import BudgetDay, day_of, encode, end_of
from inference_worker.monitoring import metrics

log = structlog.get_logger(__name__)


class Reservation(msgspec.Struct, frozen=True):
    """Tokens of one day, reserved for one call."""

    day: str
    tokens: int


def _now() -> datetime:
    return datetime.now(UTC)


class Budget:
    """What may still be spent today."""

    def __init__(self, bucket: Bucket, limit_tokens: int | None, now: Callable[[], datetime] = _now) -> None:
        """`limit_tokens` per day; None: tokens are only counted."""
        self._bucket = bucket
        self._limit_tokens = limit_tokens
        self._now = now
        # One change at a time: concurrent callers of this process would only make each other retry.
        self._turn = asyncio.Lock()
        metrics.BUDGET_LIMIT.set(limit_tokens or 0)

    async def reserve(self, tokens: int) -> Reservation:
        """Hold `tokens` for a call, on disk before this returns.

        Raises BudgetExhaustedError, or BusError: then the tokens may be reserved all the same, and stay unused.
        """
        day = day_of(self._now())
        await self._change(day, lambda spent: self._with(spent, tokens, day))
        return Reservation(day, tokens)

    async def settle(self, reservation: Reservation, charged_tokens: int) -> None:
        """Count a call's cost in place of its reservation, which stays counted where that fails."""

        def settled(spent: BudgetDay) -> BudgetDay:
            return msgspec.structs.replace(
                spent,
                reserved_tokens=max(spent.reserved_tokens - reservation.tokens, 0),
                charged_tokens=spent.charged_tokens + charged_tokens,
            )

        try:
            await self._change(reservation.day, settled)
        except BusError as error:
            # Not tried again: if only the reply was lost, it would be subtracted twice.
            log.warning("reserved tokens stay counted", tokens=reservation.tokens, reason=str(error))

    def _with(self, spent: BudgetDay, tokens: int, day: str) -> BudgetDay:
        limit = self._limit_tokens
        if limit is not None and spent.used_tokens + tokens > limit:
            raise _exhausted(spent, tokens, limit, day)
        return msgspec.structs.replace(spent, limit_tokens=limit, reserved_tokens=spent.reserved_tokens + tokens)

    async def _change(self, day: str, change: Callable[[BudgetDay], BudgetDay]) -> None:
        async with self._turn:
            while True:
                entry = await self._bucket.get(day)
                changed = change(_read(entry))
                if await self._bucket.swap(day, encode(changed), entry.seq if entry else 0):
                    metrics.BUDGET_USED.set(changed.used_tokens)
                    return


def _read(entry: Entry | None) -> BudgetDay:
    """Raises BusError for an entry that is no count: taken as empty, it would lift the budget."""
    try:
        return msgspec.json.decode(entry.value, type=BudgetDay) if entry else BudgetDay()
    except msgspec.DecodeError:
        raise BusError("Today's count of tokens can't be read.") from None


def _exhausted(spent: BudgetDay, tokens: int, limit: int, day: str) -> BudgetExhaustedError:
    if tokens > limit:
        return BudgetExhaustedError(
            f"This question may take up to {tokens} tokens of the proxy's, and a whole day has {limit}: "
            "shorten the context or ask for fewer `max_tokens`.",
            None,
        )
    resets_at = end_of(day)
    return BudgetExhaustedError(
        f"The proxy's tokens for today are used up: {spent.used_tokens} of {limit}, and this question may take "
        f"{tokens}. There are new ones at {resets_at:%Y-%m-%d %H:%M} UTC.",
        resets_at,
    )
