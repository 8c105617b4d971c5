"""Ctrl-C and a start on the same data folder."""

import asyncio
from datetime import UTC, datetime

from contract.bus import Bus
from tests.support.ledger import RESULTS_STREAM, Ledger, answered, dead_letters, is_running, stored_subjects
from tests.support.stack import Start

JOBS = 8


async def test_running_jobs_finish_and_waiting_ones_are_answered_by_the_next_start(start: Start) -> None:
    """To the whole process group, as a terminal sends it."""
    stack = start(queue_size=20, slots=2, echo_delay_s=1.5)
    ledger = Ledger()
    async with stack.client() as client, stack.bus() as bus:
        for number in range(JOBS):
            ledger.note(await client.post(f"Question {number}?"))
        await is_running(bus, at_least=2)
    await asyncio.to_thread(stack.stop, whole_group=True)
    stopped = datetime.now(UTC)
    await asyncio.to_thread(stack.start)
    async with stack.bus() as bus:
        results = await ledger.settled(bus)
        before = [moment for moment in await _stored_at(bus) if moment < stopped]
        assert not await dead_letters(bus)
    assert len(ledger.accepted) == JOBS
    answered(results, ledger.accepted)
    assert len(before) >= 2, "a running job was cut off"
    assert len(before) <= JOBS - 2, "waiting jobs were run before the stop"


async def test_a_drain_that_runs_out_of_time_gives_back_and_counts_no_attempt(start: Start) -> None:
    """With one attempt allowed, a job that was cut off would be a dead letter after the next start."""
    limits = {"DOCQA_DRAIN_S": "0.5", "DOCQA_MAX_ATTEMPTS": "1"}
    stack = start(queue_size=5, slots=2, echo_delay_s=4.0, environment=limits)
    ledger = Ledger()
    async with stack.client() as client, stack.bus() as bus:
        ledger.note(await client.post("Who runs?"))
        waiting = asyncio.create_task(client.ask("Who waits?"))
        await is_running(bus, at_least=2)
        await asyncio.to_thread(stack.stop)
        ledger.note(await waiting)
    await asyncio.to_thread(stack.start)
    async with stack.bus() as bus:
        results = await ledger.settled(bus)
    assert len(ledger.accepted) == 2
    assert not ledger.answers
    answered(results, ledger.accepted)


async def test_docqa_up_killed_leaves_no_process_and_the_next_start_goes_on(start: Start) -> None:
    """Kill -9 of the supervisor itself: its parts end too, and nothing accepted is lost."""
    # The worker may find no bus to store what it runs: then it tries for as long as a drain may take.
    stack = start(queue_size=20, slots=2, echo_delay_s=0.5, environment={"DOCQA_DRAIN_S": "2"})
    ledger = Ledger()
    async with stack.client() as client, stack.bus() as bus:
        for number in range(JOBS):
            ledger.note(await client.post(f"Question {number}?"))
        await is_running(bus)
    await asyncio.to_thread(stack.kill_up)
    await asyncio.to_thread(stack.start)
    async with stack.bus() as bus:
        results = await ledger.settled(bus)
    assert len(ledger.accepted) == JOBS
    answered(results, ledger.accepted)


async def _stored_at(bus: Bus) -> list[datetime]:
    """When each result was stored."""
    subjects = await stored_subjects(bus, RESULTS_STREAM)
    messages = [await bus.js.get_msg(RESULTS_STREAM, subject=subject) for subject in subjects]
    return [message.time for message in messages if message.time]
