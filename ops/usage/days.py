"""Reads usage and spending from the message bus, as its admin, and clears the proxy's cache."""

from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

import msgspec

from contract.bus import Bus
from contract.bus.bucket import Bucket
from contract.usage_records import BudgetDay, ClientDay, day_of, decode

T = TypeVar("T")

EVERYBODY: Final = "ALL"


class Usage(msgspec.Struct, frozen=True):
    """The last days, oldest first: usage per day and `<publisher>.<client>`, and the proxy's spending per day."""

    now: datetime
    days: dict[str, dict[str, ClientDay]]
    budgets: dict[str, BudgetDay]

    @property
    def today(self) -> str:
        return day_of(self.now)


async def read(bus: Bus, days: int) -> Usage:
    """Today and the days before it, `days` in all; raises BusError."""
    now = datetime.now(UTC)
    wanted = [day_of(now - timedelta(days=back)) for back in reversed(range(days))]
    found: dict[str, dict[str, ClientDay]] = {day: {} for day in wanted}
    for key in await bus.usage.keys():
        day, _, owner = key.partition(".")
        if day in found:
            found[day][owner] = await _read(bus.usage, key, ClientDay)
    budgets = {day: await _read(bus.budget, day, BudgetDay) for day in wanted}
    return Usage(now, found, budgets)


async def clear_cache(bus: Bus, client: str) -> int:
    """Delete the cached answers of one client of any publisher, or of EVERYBODY; returns their number.

    Raises BusError.
    """
    return await bus.cache.clear(">" if client == EVERYBODY else f"*.{client}.*")


async def _read(bucket: Bucket, key: str, kind: type[T]) -> T:
    entry = await bucket.get(key)
    return decode(entry.value if entry else None, kind)
