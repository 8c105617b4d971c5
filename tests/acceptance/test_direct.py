"""Direct publishers on a running stack, with real credentials: what they get, and what they can't do to others."""

import asyncio
import json

import pytest
from nats.errors import Error as NatsError

from contract.messages import Failure
from tests.support.client import Client, retry_after_s
from tests.support.direct import Publisher, add, publishing
from tests.support.ledger import Ledger, answered, dead_letters, is_running, queue_is_empty, stored_results
from tests.support.stack import Start
from tests.support.waiting import eventually

QUEUE = 10
FLOODERS = 20


async def test_a_flood_fills_the_queue_and_no_more_the_others_are_told_and_it_drains(start: Start) -> None:
    stack = start(queue_size=QUEUE, slots=2, echo_delay_s=0.3)
    ledger = Ledger()
    async with (
        stack.client() as client,
        stack.bus() as bus,
        publishing("alice", await add(stack, "alice")) as alice,
    ):
        over = asyncio.Event()
        flood = [asyncio.create_task(publish_until(over, alice)) for _ in range(FLOODERS)]
        await eventually(lambda: refused(alice, 100), "the flood is refused")
        await eventually(lambda: is_refused(client, ledger), "a question over HTTP is refused", every_s=0.01)
        assert (await bus.queue_state()).depth <= QUEUE
        over.set()
        await asyncio.gather(*flood)
        ledger.accepted |= {job.job_id for job in alice.accepted}
        await queue_is_empty(bus)
        ledger.note(await client.ask("Is there room again?"))
        results = await ledger.settled(bus)
    assert len(ledger.answers) == 1
    assert len(alice.accepted) >= QUEUE
    answered(results, ledger.accepted)


async def publish_until(over: asyncio.Event, publisher: Publisher) -> None:
    """Tries again at once, which clients should not do."""
    while not over.is_set():
        await publisher.publish()


async def refused(publisher: Publisher, at_least: int) -> bool:
    return publisher.refused >= at_least


async def is_refused(client: Client, ledger: Ledger) -> bool:
    """A question is refused with a time to come back; one that finds a place in the flood is accepted as ever."""
    response = await client.post("Is there room?")
    ledger.note(response)
    return response.status_code == 429 and retry_after_s(response) >= 1


async def test_jobs_under_names_that_are_none_are_buried_without_a_result_and_hold_nobody_up(start: Start) -> None:
    stack = start(queue_size=50)
    worker = stack.pid("worker")
    async with stack.bus() as bus, publishing("alice", await add(stack, "alice")) as alice:
        js = alice.client.jetstream(timeout=10)
        names = [
            *(f"{client}.{alice.job().job_id}" for client in ("*", ">", "é", "C1", "c" * 65, "$KV", "\u202e")),
            *("c1.*", "c1.>", "c1.1", f"c1.{alice.job().job_id.upper()}", "c1.00000000000070008000000000000001"),
        ]
        for name in names:
            await js.publish(f"docqa.jobs.alice.{name}", b'{"query":"Who?"}')
        job = await alice.publish()
        assert job
        await queue_is_empty(bus)
        assert (await stored_results(bus)).keys() == {job.job_id}
        assert [letter.reason for _, letter in await dead_letters(bus)] == ["bad-name"] * len(names)
    assert stack.pid("worker") == worker


async def test_a_cancel_stops_a_running_job_of_hers_and_none_of_anothers(start: Start) -> None:
    stack = start(slots=2, echo_delay_s=60, environment={"DOCQA_DRAIN_S": "1"})
    async with (
        stack.bus() as bus,
        publishing("alice", await add(stack, "alice")) as alice,
        publishing("bob", await add(stack, "bob")) as bob,
    ):
        hers, his = await alice.publish(), await bob.publish()
        assert hers
        assert his
        await is_running(bus, at_least=2)
        await alice.client.publish(his.cancel_subject, b"")
        result = await alice.client.subscribe(hers.results_subject)
        await alice.client.publish(hers.cancel_subject, b"")
        failure = json.loads((await result.next_msg(10)).data)
        assert (failure["status"], failure["code"]) == ("failed", "cancelled")
        results = await stored_results(bus)
        assert results.keys() == {hers.job_id}
        assert isinstance(results[hers.job_id], Failure)


async def test_a_publisher_that_is_not_let_in_gets_nothing(start: Start) -> None:
    stack = start()
    credentials = await add(stack, "alice")
    login = json.loads(credentials.read_bytes())
    forged = stack.folder / "forged.json"
    for wrong in ({"password": "0" * 64}, {"user": "publisher-bob"}, {"user": "admin"}, {"user": "ingress"}):
        forged.write_text(json.dumps({**login, **wrong}))
        with pytest.raises((NatsError, TimeoutError)):
            async with asyncio.timeout(1), publishing("alice", forged):
                pass
