"""One id, published more than once at the same moment."""

import asyncio
from uuid import uuid4

from nats.js.errors import APIError

from contract.bus import Bus
from contract.messages import Answer, Query, decode_result, encode
from contract.topology import JobName
from tests.support.ledger import queue_is_empty, stored_results
from tests.support.stack import Stack, Start
from tests.support.waiting import eventually

IDS = 15


async def test_of_two_publishes_of_one_id_one_is_stored_and_answered_once(start: Start) -> None:
    """The other one is told that the job is already accepted: the first must not have ended before the second comes."""
    stack = start(queue_size=60, slots=4, echo_delay_s=0.5)
    async with stack.bus() as one, stack.bus() as other:
        jobs = [JobName("tester", "c1", str(uuid4())) for _ in range(IDS)]
        for job in jobs:
            outcomes = await asyncio.gather(_publish(one, job), _publish(other, job))
            assert sorted(outcomes) == ["maximum messages per subject exceeded", "stored"]
        await queue_is_empty(one)
        results = await stored_results(one)
    assert {job.job_id for job in jobs} <= results.keys()


async def test_a_direct_publisher_hears_its_result_on_the_subject_of_its_job(echo: Stack) -> None:
    job = JobName("tester", "c1", str(uuid4()))
    heard: list[bytes] = []
    async with echo.bus() as bus:

        async def hear(message: object) -> None:
            heard.append(message.data)  # type: ignore[attr-defined]  # nats-py's Msg

        async def has_heard() -> bool:
            return bool(heard)

        await bus.subscribe(job.results_subject, hear)
        await bus.client.flush()
        assert await _publish(bus, job) == "stored"
        await eventually(has_heard, "the live result arrives")
        stored = await bus.results.get(job.key)
    live = decode_result(heard[0])
    assert isinstance(live, Answer)
    assert live.id == job.job_id
    assert stored
    assert decode_result(stored.value) == live


async def _publish(bus: Bus, job: JobName) -> str:
    """Stored, or why not."""
    try:
        await bus.js.publish(job.subject, encode(Query(query="Who was first?")))
    except APIError as error:
        return error.description or ""
    return "stored"
