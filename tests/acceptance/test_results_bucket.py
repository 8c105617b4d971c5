"""A results bucket that takes no more for a while."""

import asyncio
import os
import time

import pytest

from contract import topology
from contract.bus import Bus
from tests.support.ledger import (
    RESULTS_STREAM,
    STARTS_STREAM,
    Ledger,
    answered,
    dead_letters,
    is_running,
    stored_results,
    stored_subjects,
)
from tests.support.stack import Start
from tests.support.waiting import eventually

FULL_S = float(os.environ.get("ACCEPTANCE_FULL_S", "12"))
JOBS = 10


@pytest.mark.slow
async def test_a_full_results_bucket_costs_neither_a_job_nor_an_attempt(start: Start) -> None:
    """The result is kept, nothing new is fetched, and all goes on once there is room."""
    stack = start(queue_size=20, slots=2, echo_delay_s=0.1)
    ledger = Ledger()
    async with stack.client() as client, stack.bus() as bus:
        roomy = (await bus.js.stream_info(RESULTS_STREAM)).config.max_bytes
        await _limit_results(bus, 1)
        worker = stack.pid("worker")
        ledger.note(await client.post("Which answer finds no room?"))
        await is_running(bus)
        await eventually(lambda: _asks_for_nothing(bus), "the worker's last pull has ended")
        for number in range(JOBS - 1):
            ledger.note(await client.post(f"Question {number}?"))
        end = time.monotonic() + FULL_S
        while time.monotonic() < end:
            state = await bus.queue_state()
            assert (state.depth, state.delivered_seq) == (JOBS, 1), "the worker fetched what it could not store"
            assert not await stored_results(bus)
            await asyncio.sleep(0.5)
        assert (await client.health())["queue_depth"] == JOBS
        assert await _attempts(bus) == [1]

        await _limit_results(bus, roomy or -1)
        results = await ledger.settled(bus)
        assert not await dead_letters(bus)
        assert stack.pid("worker") == worker
    answered(results, ledger.accepted)
    assert len(ledger.accepted) == JOBS


async def _limit_results(bus: Bus, max_bytes: int) -> None:
    """The bucket is empty when the limit falls: nothing is there to be deleted by it."""
    config = (await bus.js.stream_info(RESULTS_STREAM)).config
    await bus.js.update_stream(config, max_bytes=max_bytes)


async def _asks_for_nothing(bus: Bus) -> bool:
    return not (await bus.js.consumer_info(topology.JOBS_STREAM, topology.WORKER_DURABLE)).num_waiting


async def _attempts(bus: Bus) -> list[int]:
    prefix = f"$KV.{topology.STARTS_BUCKET}."
    keys = [subject.removeprefix(prefix) for subject in await stored_subjects(bus, STARTS_STREAM)]
    return [int(entry.value) for entry in [await bus.starts.get(key) for key in keys] if entry]
