"""How often a client may come."""

import time

import pytest

from contract.rate import Rate
from ingress.auth.rate_limiter import Limiter


@pytest.fixture
def limiter() -> Limiter:
    return Limiter()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_a_client_may_come_as_often_as_its_rate_says(limiter: Limiter) -> None:
    rate = Rate("3/hour")
    quotas = [limiter.take("alice", rate) for _ in range(5)]
    assert [quota.is_exceeded for quota in quotas] == [False, False, False, True, True]
    assert [quota.remaining for quota in quotas] == [2, 1, 0, 0, 0]


def test_each_client_has_a_window_of_its_own(limiter: Limiter) -> None:
    rate = Rate("1/hour")
    assert not limiter.take("alice", rate).is_exceeded
    assert not limiter.take("bob", rate).is_exceeded
    assert limiter.take("alice", rate).is_exceeded


def test_who_comes_back_when_told_to_is_let_in(limiter: Limiter, clock: list[float]) -> None:
    """The window moves: there is no moment at which two windows' worth may come."""
    rate = Rate("2/minute")
    assert not limiter.take("alice", rate).is_exceeded
    clock[0] += 40
    assert not limiter.take("alice", rate).is_exceeded
    refused = limiter.take("alice", rate)
    assert (refused.is_exceeded, refused.reset_s) == (True, 20)
    clock[0] += refused.reset_s - 1
    assert limiter.take("alice", rate).is_exceeded
    clock[0] += 1.01
    assert not limiter.take("alice", rate).is_exceeded
    assert limiter.take("alice", rate).is_exceeded


def test_the_headers_are_those_of_the_draft(limiter: Limiter, clock: list[float]) -> None:
    headers = limiter.take("alice", Rate("100/minute")).headers
    assert headers == {"RateLimit-Policy": '"default";q=100;w=60', "RateLimit": '"default";r=99;t=60'}


def test_two_rates_of_a_client_do_not_forget_for_each_other(limiter: Limiter, clock: list[float]) -> None:
    for _ in range(3):
        clock[0] += 10
        limiter.take("alice", Rate("3/hour"))
        limiter.take("alice", Rate("1/second"))
    assert limiter.take("alice", Rate("3/hour")).is_exceeded
    assert limiter.take("alice", Rate("1/second")).is_exceeded


def test_what_is_refused_is_not_remembered(limiter: Limiter) -> None:
    for _ in range(1000):
        limiter.take("alice", Rate("10/day"))
    [window] = limiter._windows.values()
    assert len(window) == 10


def test_who_stays_away_is_forgotten(limiter: Limiter, clock: list[float]) -> None:
    for number in range(100):
        clock[0] += 1
        limiter.take(f"c{number}", Rate("5/second"))
    assert len(limiter._windows) <= 2
