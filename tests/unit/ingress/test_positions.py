"""Where a job stands, estimated from the state of the stream."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from contract.bus import Bus, QueueState
from ingress.jobs.positions import Position, Positions, earlier_jobs
from tests.unit.ingress.test_workers import fleet_of


def state(delivered: int, running: int, pending: int, first: int = 1, last: int | None = None) -> QueueState:
    last = delivered + pending if last is None else last
    return QueueState(running + pending, 100, running, delivered, pending, None, first, last)


def test_all_jobs_that_are_held_and_all_that_wait_before_it_are_earlier() -> None:
    assert earlier_jobs(state(delivered=10, running=4, pending=6), seq=13) == 4 + 2


def test_a_job_that_was_stored_after_the_state_was_read_is_behind_all_that_wait() -> None:
    assert earlier_jobs(state(delivered=10, running=4, pending=6), seq=17) == 4 + 6


def test_jobs_that_left_before_their_turn_are_not_counted() -> None:
    assert earlier_jobs(state(delivered=10, running=4, pending=2, last=16), seq=17) == 4 + 2


def test_of_a_job_that_was_delivered_only_older_ones_are_earlier() -> None:
    assert earlier_jobs(state(delivered=10, running=4, pending=0, first=7), seq=8) == 1
    assert earlier_jobs(state(delivered=10, running=4, pending=0, first=2), seq=10) == 3


@given(*[st.integers(0, 50)] * 6)
def test_no_position_is_negative_whatever_the_stream_says(
    delivered: int, running: int, pending: int, first: int, last: int, seq: int
) -> None:
    assert earlier_jobs(state(delivered, running, pending, first, last), seq) >= 0


@pytest.mark.parametrize(("earlier", "expected_s"), [(0, 4.0), (3, 4.0), (4, 5.0), (39, 40.0)])
async def test_the_answer_is_expected_when_all_before_it_and_it_have_ended(earlier: int, expected_s: float) -> None:
    positions = Positions(Bus(), await fleet_of(1.0))
    found = positions.within(state(delivered=0, running=0, pending=earlier), seq=earlier + 1)
    assert found == Position(earlier, expected_s)


async def test_without_a_worker_nothing_is_expected() -> None:
    positions = Positions(Bus(), await fleet_of())
    assert positions.within(state(delivered=0, running=0, pending=1), seq=2) == Position(1, None)


async def test_without_a_sequence_there_is_no_position() -> None:
    assert await Positions(Bus(), await fleet_of()).of(None) is None
