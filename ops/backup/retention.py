"""Which backups are kept: the newest of each of the last days, weeks and months that have one.

All backups of the last 24 hours are kept too: one that was just made by hand or by a restore must survive the next.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final

import msgspec

_ALL_OF_S: Final = 86_400


class Retention(msgspec.Struct, frozen=True):
    """How many days, weeks and months keep a backup."""

    daily: int = 7
    weekly: int = 4
    monthly: int = 6

    def kept(self, times_s: Iterable[float]) -> set[float]:
        """The times (Unix seconds) whose backups are kept; the newest is always included."""
        newest_first = sorted(times_s, reverse=True)
        kept = {time_s for time_s in newest_first if newest_first[0] - time_s < _ALL_OF_S}
        for count, period in ((self.daily, _day), (self.weekly, _week), (self.monthly, _month)):
            kept |= _newest_of_each(newest_first, period, count)
        return kept


def _newest_of_each(newest_first: list[float], period: Callable[[datetime], str], count: int) -> set[float]:
    newest: dict[str, float] = {}
    for time_s in newest_first:
        newest.setdefault(period(datetime.fromtimestamp(time_s, UTC)), time_s)
    return set(list(newest.values())[:count])


def _day(time: datetime) -> str:
    return time.strftime("%Y-%m-%d")


def _week(time: datetime) -> str:
    return time.strftime("%G-%V")


def _month(time: datetime) -> str:
    return time.strftime("%Y-%m")
