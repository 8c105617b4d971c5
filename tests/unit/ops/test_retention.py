"""Which backups are kept."""

from datetime import UTC, datetime, timedelta

from ops.backup.retention import Retention

NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)


def nightly(count: int) -> list[float]:
    return [(NOW - timedelta(days=day)).timestamp() for day in range(count)]


def days_of(kept: set[float]) -> list[str]:
    return [datetime.fromtimestamp(time_s, UTC).strftime("%m-%d") for time_s in sorted(kept, reverse=True)]


def test_of_a_year_of_nights_the_last_days_weeks_and_months_are_kept() -> None:
    kept = days_of(Retention().kept(nightly(365)))
    assert kept[:7] == ["11-25", "11-24", "11-23", "11-22", "11-21", "11-20", "11-19"]
    assert kept[7:] == ["11-15", "11-08", "10-31", "09-30", "08-31", "07-31", "06-30"]


def test_the_numbers_can_be_set() -> None:
    assert len(Retention(daily=2, weekly=0, monthly=0).kept(nightly(30))) == 2
    assert days_of(Retention(daily=0, weekly=0, monthly=3).kept(nightly(90))) == ["11-25", "10-31", "09-30"]


def test_the_newest_is_kept_whatever_the_numbers_are() -> None:
    assert days_of(Retention(daily=0, weekly=0, monthly=0).kept(nightly(9))) == ["11-25"]


def test_all_of_the_last_day_are_kept() -> None:
    hourly = [(NOW - timedelta(hours=hour)).timestamp() for hour in range(72)]
    assert len(Retention(daily=1, weekly=0, monthly=0).kept(hourly)) == 24


def test_days_without_a_backup_do_not_count() -> None:
    """A machine that was off for a month still has its seven."""
    before = [time_s - 30 * 86_400 for time_s in nightly(10)]
    assert len(Retention(weekly=0, monthly=0).kept([*before, NOW.timestamp()])) == 7


def test_without_backups_none_is_kept() -> None:
    assert Retention().kept([]) == set()
