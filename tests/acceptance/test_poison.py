"""A job that kills the worker each time it runs."""

import asyncio
from typing import Any

import pytest

from contract import topology
from contract.messages import Failure
from tests.support.client import problem
from tests.support.ledger import Ledger, answered, dead_letters, is_running, starts, stored_subjects
from tests.support.stack import Stack, Start
from tests.support.waiting import eventually

ATTEMPTS = 3
"""Starts alone: those in company, which is halved from crash to crash, come before them."""


@pytest.mark.slow
async def test_poison_is_dead_lettered_and_its_neighbours_are_answered(start: Start) -> None:
    await _poison_ends_alone(start(queue_size=20, slots=4, echo_delay_s=0.8), 2 + ATTEMPTS, neighbour={}, poison={})


@pytest.mark.slow
@pytest.mark.model
async def test_poison_on_the_real_model_is_dead_lettered_and_its_neighbours_are_answered(start: Start) -> None:
    stack = start(engine="llama", queue_size=20, slots=8, environment={"DOCQA_STYLE": "write"})
    await _poison_ends_alone(stack, 3 + ATTEMPTS, neighbour={"max_tokens": 8}, poison={"max_tokens": 400})


async def _poison_ends_alone(stack: Stack, most_starts: int, neighbour: dict[str, Any], poison: dict[str, Any]) -> None:
    """Kill the worker as soon as a start of the poison is counted, with all slots full."""
    ledger = Ledger()
    async with stack.client() as client, stack.bus() as bus:
        for number in range(3):
            ledger.note(await client.post(f"Which neighbour is number {number}?", **neighbour))
        bad = await client.submit("Write a very long story about a goblin in a mine.", **poison)
        ledger.accepted.add(bad)
        for number in range(3, 9):
            ledger.note(await client.post(f"Which neighbour is number {number}?", **neighbour))

        for attempt in range(1, most_starts + 1):

            async def has_started(attempt: int = attempt) -> bool:
                return await starts(bus, bad) >= attempt

            await eventually(has_started, f"start {attempt} of the poison", timeout_s=60, every_s=0.005)
            await stack.kill("worker")

        results = await ledger.settled(bus)
        [(subject, letter)] = await dead_letters(bus)
        left_over = await stored_subjects(bus, f"KV_{topology.STARTS_BUCKET}")
        job = await client.job(bad)

    assert subject == f"docqa.dead.attempts-exhausted.{bad}"
    assert letter.attempts == most_starts
    assert letter.query
    assert letter.query.query.startswith("Write a very long story")
    failure = results[bad]
    assert isinstance(failure, Failure)
    assert (failure.code, failure.attempts, failure.dead_letter) == ("attempts-exhausted", most_starts, True)
    assert (job["status"], job["code"]) == ("failed", "attempts-exhausted")
    answered(results, ledger.accepted - {bad})
    assert not [key for key in left_over if key.endswith(bad)]


@pytest.mark.slow
async def test_a_post_that_waits_for_poison_gets_500_with_the_code(start: Start) -> None:
    stack = start(queue_size=5, slots=1, echo_delay_s=0.8, environment={"DOCQA_MAX_ATTEMPTS": "1"})
    async with stack.client() as client, stack.bus() as bus:
        waiting = asyncio.create_task(client.ask("Who kills the worker?"))
        await is_running(bus)
        await stack.kill("worker")
        body = problem(await waiting, 500)
        assert "attempts-exhausted" in (body.get("code"), body["type"].rsplit("/", 1)[-1])
