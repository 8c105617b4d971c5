"""What `docqa usage` says of what was counted."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import rich.console

from contract.usage_records import Answers, BudgetDay, ClientDay, day_of
from ops.usage.days import Usage
from ops.usage.picture import picture
from ops.usage.report import report

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
TODAY, YESTERDAY = day_of(NOON), day_of(NOON - timedelta(days=1))
BUSY = ClientDay(local=Answers(4, 400, 40), proxy=Answers(2, 200, 20), cache=Answers(2, 200, 20), lost_tokens=7)


def usage(
    now: datetime = NOON,
    days: dict[str, dict[str, ClientDay]] | None = None,
    today: BudgetDay = BudgetDay(),
    yesterday: BudgetDay = BudgetDay(),
) -> Usage:
    return Usage(now, {YESTERDAY: {}, TODAY: {}} | (days or {}), {YESTERDAY: yesterday, TODAY: today})


def advice(used: Usage, limit: int | None = None) -> str:
    return "\n".join(report(used, limit)["advice"])


def test_days_and_clients_are_added_up() -> None:
    said = report(usage(days={YESTERDAY: {"http.a": BUSY}, TODAY: {"http.a": BUSY, "bob.c": BUSY}}), None)
    assert [(day["day"], day["answers"]) for day in said["days"]] == [(YESTERDAY, 8), (TODAY, 16)]
    assert {client["client"]: client["answers"] for client in said["clients"]} == {"http.a": 16, "bob.c": 8}
    total = said["total"]
    assert total["proxy"] == {"answers": 6, "prompt_tokens": 600, "completion_tokens": 60}
    assert total["saved_tokens"] == 3 * (440 + 220)
    assert (total["cache_hit_ratio"], total["lost_tokens"]) == (0.5, 21)


def test_nothing_counted_says_nothing_and_advises_nothing() -> None:
    said = report(usage(), None)
    assert said["total"]["answers"] == said["forecast"]["tokens"] == 0
    assert said["total"]["cache_hit_ratio"] is None
    assert said["clients"] == said["advice"] == []


def test_the_forecast_goes_on_as_the_day_began_and_says_when_the_budget_ends() -> None:
    today = BudgetDay(limit_tokens=1000, charged_tokens=600, reserved_tokens=20)
    said = report(usage(today=today), None)
    assert said["forecast"] == {
        "tokens": 1240,
        "basis": "today's pace",
        "used_up_at": "2026-11-25T19:21+00:00",
    }
    assert "used up at 19:21 UTC" in said["advice"][0]


def test_in_the_first_hour_the_forecast_is_that_of_the_days_before() -> None:
    early = datetime(2026, 11, 25, 0, 30, tzinfo=UTC)
    said = report(usage(early, yesterday=BudgetDay(charged_tokens=4800)), 10_000)
    assert said["forecast"]["tokens"] == 4700
    assert said["forecast"]["basis"] == "the previous days"


def test_the_budget_that_is_set_goes_before_the_one_that_was() -> None:
    today = BudgetDay(limit_tokens=1000, charged_tokens=10)
    assert report(usage(today=today), 5000)["budget"]["limit_tokens"] == 5000
    assert report(usage(today=today), None)["budget"]["limit_tokens"] == 1000


@pytest.mark.parametrize(
    ("today", "limit", "words"),
    [
        (BudgetDay(charged_tokens=10), None, "is not set"),
        (BudgetDay(charged_tokens=1000), 1000, "is used up"),
        (BudgetDay(charged_tokens=700), 1000, "local-then-proxy"),
        (BudgetDay(charged_tokens=10, reserved_tokens=90), 1000, "90 of today's tokens are reserved"),
    ],
)
def test_what_threatens_the_budget_is_said(today: BudgetDay, limit: int | None, words: str) -> None:
    assert words in advice(usage(today=today), limit)


@pytest.mark.parametrize(
    ("client", "words"),
    [
        (ClientDay(proxy=Answers(9, 9900, 100)), "Nearly all tokens are documents"),
        (ClientDay(proxy=Answers(200, 2000, 2000)), "No answer came from the cache"),
        (ClientDay(proxy=Answers(2, 200, 200), lost_tokens=300), "300 tokens were spent on calls"),
        (ClientDay(proxy=Answers(2, 500, 500)), "http.a takes 91% of the proxy's tokens"),
    ],
)
def test_what_could_be_saved_is_said(client: ClientDay, words: str) -> None:
    assert words in advice(usage(days={TODAY: {"http.a": client, "http.b": ClientDay(proxy=Answers(1, 50, 50))}}))


def test_the_picture_shows_days_clients_and_the_budget() -> None:
    said = report(usage(days={TODAY: {"http.a": BUSY}}, today=BudgetDay(charged_tokens=600)), 1000)
    shown = drawn(said)
    for words in ("600 tokens of 1,000", TODAY, "http.a", "█", "Saved: 660 tokens", "forecast"):
        assert words in shown


def test_the_picture_lists_the_largest_clients_and_counts_the_rest() -> None:
    said = report(usage(days={TODAY: {f"http.c{number}": BUSY for number in range(40)}}), None)
    assert "and 25 more" in drawn(said)


def drawn(said: dict[str, Any]) -> str:
    console = rich.console.Console(width=120)
    with console.capture() as captured:
        console.print(picture(said))
    return captured.get()
