"""Far more questions at once than the queue holds."""

import asyncio
import time

import httpx

from tests.support.client import Client, problem, retry_after_s
from tests.support.ledger import Ledger, answered, dead_letters
from tests.support.stack import Start

QUEUE = 10
AT_ONCE = 50
DELAY_S = 2.0


async def test_a_spike_is_answered_or_refused_at_once_and_nothing_else(start: Start) -> None:
    """10 places, 50 questions: those over the bound get 429 long before the first answer is there."""
    stack = start(queue_size=QUEUE, echo_delay_s=DELAY_S)
    ledger = Ledger()
    async with stack.client() as client, stack.bus() as bus:
        outcomes = await asyncio.gather(*(_timed(client, n) for n in range(AT_ONCE)))
        for response, _ in outcomes:
            ledger.note(response)
        results = await ledger.settled(bus)
        assert not await dead_letters(bus)
        assert (await client.health())["queue_depth"] == 0

    refused = [(response, seconds) for response, seconds in outcomes if response.status_code == 429]
    assert len(ledger.answers) + len(refused) == AT_ONCE
    assert len(ledger.answers) >= QUEUE
    assert results.keys() == ledger.accepted
    answered(results, ledger.accepted)
    for response, seconds in refused:
        problem(response, 429, "queue-full")
        assert 1 <= retry_after_s(response) <= 60
        assert seconds < DELAY_S, "a refusal waited in a hidden queue"


async def _timed(client: Client, n: int) -> tuple[httpx.Response, float]:
    began = time.monotonic()
    response = await client.ask(f"Question {n}?")
    return response, time.monotonic() - began
