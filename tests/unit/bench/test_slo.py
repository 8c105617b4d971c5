"""The objective: late and unanswered jobs count against it, and only small jobs count at all."""

from typing import Any

import pytest

from bench.commands.rate_search import steady_per_s
from bench.commands.slo import objective, summarized
from bench.harness.query import Query


def query(number: int, took_s: float, status: int = 200, planned_s: float = 0.0, **more: Any) -> Query:
    return Query(
        number=number, key=str(number), publisher="http", client="local", job_id=str(number), entry_point="uds",
        planned_s=planned_s, ended_s=planned_s + took_s, status=status, **more,
    )  # fmt: skip


def verdicts(queries: list[Query]) -> list[bool]:
    return [promise.held for promise in objective(summarized(queries, 2.0, 60))]


def test_ninety_nine_of_a_hundred_in_time_are_enough_and_ninety_eight_are_not() -> None:
    in_time = [query(number, 4.9) for number in range(98)]
    assert verdicts([*in_time, query(98, 5.0), query(99, 60.0)]) == [True, True]
    assert verdicts([*in_time, query(98, 5.1), query(99, 60.0)]) == [False, True]


@pytest.mark.parametrize("status", [0, 202, 429, 504])
def test_who_is_not_answered_was_not_answered_in_time(status: int) -> None:
    assert verdicts([query(0, 1.0), query(1, 0.1, status)]) == [False, True]


@pytest.mark.parametrize("size", [{"uncached_tokens": 513}, {"tokens": 65}])
def test_a_job_that_is_not_small_breaks_the_premise(size: dict[str, int]) -> None:
    assert verdicts([query(0, 1.0), query(1, 1.0, **size)]) == [True, False]


def test_what_was_cut_short_reached_nothing() -> None:
    assert [promise.held for promise in objective(None)] == [False]


def test_goodput_counts_neither_the_ramp_nor_what_drains_after_the_last_arrival() -> None:
    # Ten a second for ten seconds: the first comes after a second, and ten come after the arrivals have ended.
    answers = [query(number, 1.0, planned_s=number / 10) for number in range(100)]
    assert steady_per_s(answers, 0.0, 10.0) == pytest.approx(10)
    assert steady_per_s([*answers, query(100, 0.5, status=429, planned_s=5)], 0.0, 10.0) == pytest.approx(10)
