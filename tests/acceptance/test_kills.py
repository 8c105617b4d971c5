"""Kill -9 at random moments, whichever process it is."""

import asyncio
import os
import random
from typing import get_args

import pytest

from contract.messages import Failure
from tests.support.ledger import Ledger, answered, is_running
from tests.support.load import Load
from tests.support.stack import Part, Stack, Start
from tests.support.waiting import eventually

KILLS = int(os.environ.get("ACCEPTANCE_KILLS", "30"))
ACCEPTED = 200
PAUSE_S = (0.1, 1.5)


@pytest.mark.slow
async def test_no_accepted_job_is_lost_or_stored_twice_when_anything_is_killed(start: Start) -> None:
    """30 kills among worker, nats-server and ingress under load: every accepted job ends in one result."""
    seed = os.environ.get("ACCEPTANCE_SEED") or str(random.randrange(10**9))
    print(f"ACCEPTANCE_SEED={seed}")  # noqa: T201 - a failed run is repeated with it
    stack = start(queue_size=50, slots=4, echo_delay_s=0.1, environment={"DOCQA_SYNC_WAIT_S": "20"})
    ledger = Ledger()
    async with Load.on(stack, ledger, posting=6, waiting=2):
        await _kill_at_random(stack, random.Random(seed))
        await eventually(lambda: _has_accepted(ledger), f"{ACCEPTED} jobs are accepted", timeout_s=60)
    for part in get_args(Part):
        await stack.alive(part)
    async with stack.bus() as bus:
        results = await ledger.settled(bus, timeout_s=90)

    print(ledger.tally())  # noqa: T201 - shows that the load was one
    failed = [result for result in results.values() if isinstance(result, Failure)]
    assert {failure.code for failure in failed} <= {"attempts-exhausted"}
    assert len(failed) <= len(results) // 20, f"killed with their neighbours: {failed}"


@pytest.mark.slow
@pytest.mark.model
async def test_the_real_model_loses_nothing_by_kills_and_a_drain(start: Start) -> None:
    """Two kills of the worker and one Ctrl-C in the middle of a dozen jobs."""
    stack = start(engine="llama", queue_size=20, slots=2, environment={"DOCQA_STYLE": "write"})
    ledger = Ledger()
    async with stack.client() as client:
        for number in range(12):
            ledger.note(await client.post(f"Write about the number {number}.", max_tokens=16))
    async with stack.bus() as bus:
        for _ in range(2):
            await is_running(bus)
            await stack.alive("worker", not_pid=await stack.kill("worker"))
        await is_running(bus)
    await asyncio.to_thread(stack.stop)
    await asyncio.to_thread(stack.start)
    async with stack.bus() as bus:
        results = await ledger.settled(bus)
    assert len(ledger.accepted) == 12
    answered(results, ledger.accepted)


async def _kill_at_random(stack: Stack, rng: random.Random) -> None:
    victims: list[Part] = [part for part in get_args(Part) for _ in range(KILLS // 3)]
    rng.shuffle(victims)
    for victim in victims:
        await asyncio.sleep(rng.uniform(*PAUSE_S))
        await stack.kill_whatever_it_does(victim)


async def _has_accepted(ledger: Ledger) -> bool:
    return len(ledger.accepted) >= ACCEPTED
