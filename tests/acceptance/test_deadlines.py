"""Questions whose time runs out."""

import time

import pytest

from tests.support.client import problem
from tests.support.ledger import queue_is_empty, stored_results
from tests.support.stack import Stack, Start

DEADLINE_S = 1.0
DELAY_S = 5.0


@pytest.fixture
def slow(start: Start) -> Stack:
    return start(queue_size=10, slots=1, echo_delay_s=DELAY_S)


@pytest.mark.slow
async def test_a_post_past_its_deadline_is_504_and_the_queue_drains(slow: Stack) -> None:
    """A running job and some that wait behind it: each is stored as failed, and none is run to its end needlessly."""
    async with slow.client() as client, slow.bus() as bus:
        began = time.monotonic()
        waiting = [await client.submit(f"Question {n}?", deadline_s=DEADLINE_S) for n in range(3)]
        body = problem(await client.ask("Too slow?", deadline_s=DEADLINE_S), 504)
        assert time.monotonic() - began < DELAY_S
        assert "deadline-exceeded" in (body.get("code"), body["type"].rsplit("/", 1)[-1])
        await queue_is_empty(bus)
        assert time.monotonic() - began < 2 * DELAY_S, "the jobs behind were run after their deadline"
        results = await stored_results(bus)
        jobs = [await client.finished(job_id) for job_id in waiting]
    assert len(results) == 4
    assert {getattr(result, "code", None) for result in results.values()} == {"deadline-exceeded"}
    assert {(job["status"], job["code"]) for job in jobs} == {("failed", "deadline-exceeded")}


@pytest.mark.slow
async def test_a_job_within_its_deadline_is_answered(slow: Stack) -> None:
    async with slow.client() as client:
        response = await client.ask("In time?", deadline_s=30)
    assert response.status_code == 200
