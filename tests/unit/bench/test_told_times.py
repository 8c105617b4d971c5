"""What told times were worth, from what clients and the queue showed."""

import pytest

from bench.harness.query import Query, Refusal
from bench.harness.sampler import Depth
from bench.harness.told_times import figures


def asked(number: int, ended_s: float, told: list[tuple[float, int]], accepted_s: float | None = None) -> Query:
    query = Query(
        number=number,
        key=str(number),
        publisher="http",
        client="local",
        job_id=str(number),
        entry_point="uds",
        planned_s=0,
    )
    query.refusals = [Refusal(at_s, 0.01, 429, told_s) for at_s, told_s in told]
    query.status, query.ended_s, query.accepted_s = 200, ended_s, accepted_s
    return query


def test_the_true_time_of_the_kth_refused_client_is_the_kth_end_from_then() -> None:
    running = [asked(0, 1.0, []), asked(1, 4.0, [])]
    outside = [asked(2, 6.0, [(0.0, 1)], 1.1), asked(3, 8.0, [(0.0, 2)], 4.1)]
    found = figures([*running, *outside], [], slots=2)
    assert (found["told_error_s_median"], found["told_error_share_median"]) == (2.0, 0.5)
    assert (found["told_right_share"], found["told_s_mean"]) == (0.5, 1.5)


def test_slots_count_as_idle_only_while_somebody_waits_outside() -> None:
    depths = [Depth(0.5, 2, 2, 2), Depth(1.5, 1, 1, 2), Depth(2.5, 0, 0, 2)]
    found = figures([asked(0, 3.0, [(0.0, 2)], 2.0)], depths, slots=2)
    assert found["idle_while_outside"] == pytest.approx(0.25)


def test_who_never_came_back_does_not_count() -> None:
    never = asked(0, 0.1, [(0.0, 5)])
    never.status = 429
    assert set(figures([never], [Depth(0.5, 0, 0, 2)], slots=2).values()) == {None}
