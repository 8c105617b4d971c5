"""Who waits for which result, with a results bucket in memory."""

import asyncio

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from contract.bus import Bus
from contract.bus.bucket import Bucket, Entry
from contract.errors import BusUnavailableError
from contract.messages import Failure, encode
from contract.topology import JobName
from ingress.jobs.replies import Replies, Reply

LONG_S = 30.0


class Shelf(Bucket):
    """A bucket in memory. Counts the looks at each key."""

    def __init__(self, bus: Bus) -> None:
        super().__init__(bus.js, bus.request, "RESULTS")
        self.values: dict[str, bytes] = {}
        self.looks: list[str] = []
        self.is_away = False

    async def get(self, key: str) -> Entry | None:
        self.looks.append(key)
        if self.is_away:
            raise BusUnavailableError
        return Entry(self.values[key], 1) if key in self.values else None


@pytest.fixture
def bus() -> Bus:
    return Bus()


@pytest.fixture
def shelf(bus: Bus) -> Shelf:
    bus.results = Shelf(bus)
    return bus.results


@pytest.fixture
def replies(bus: Bus, shelf: Shelf) -> Replies:
    return Replies(bus)


def job(number: int) -> JobName:
    return JobName("http", "local", f"00000000-0000-7000-8000-{number:012}")


def result(number: int) -> Failure:
    return Failure(id=job(number).job_id, code="cancelled", detail="It was.")


def live_result(number: int) -> Msg:
    return Msg(_client=Client(), subject=job(number).results_subject, data=encode(result(number)))


async def waiting(reply: Reply) -> "asyncio.Task[Failure | None]":
    """A task that has begun to wait."""
    task = asyncio.create_task(reply.within(LONG_S))
    await asyncio.sleep(0)
    return task  # type: ignore[return-value]  # all results here are failures


async def test_a_live_reply_wakes_who_waits_for_it_and_nobody_else(replies: Replies, shelf: Shelf) -> None:
    with replies.expect(job(1)) as first, replies.expect(job(2)) as second:
        one, two = await waiting(first), await waiting(second)
        await replies.on_message(live_result(1))
        assert await one == result(1)
        assert not two.done()
        await replies.on_message(live_result(2))
        assert await two == result(2)
    assert shelf.looks == []


async def test_a_reply_that_comes_before_the_wait_is_not_missed(replies: Replies) -> None:
    with replies.expect(job(1)) as reply:
        await replies.on_message(live_result(1))
        assert await reply.within(LONG_S) == result(1)


async def test_all_who_wait_for_one_job_are_woken(replies: Replies) -> None:
    with replies.expect(job(1)) as first, replies.expect(job(1)) as second:
        tasks = [await waiting(first), await waiting(second)]
        await replies.on_message(live_result(1))
        assert await asyncio.gather(*tasks) == [result(1), result(1)]


async def test_at_the_end_of_a_wait_the_bucket_is_read(replies: Replies, shelf: Shelf) -> None:
    """A live reply may be lost on its way."""
    shelf.values[job(1).key] = encode(result(1))
    with replies.expect(job(1)) as reply:
        assert await reply.within(0) == result(1)
    assert shelf.looks == [job(1).key]


async def test_a_wait_without_a_result_ends_with_none(replies: Replies, shelf: Shelf) -> None:
    with replies.expect(job(1)) as reply:
        assert await reply.within(0) is None
        shelf.is_away = True
        assert await reply.within(0) is None
        assert not reply.is_released


async def test_release_lets_everyone_go_now_and_from_now_on(replies: Replies, shelf: Shelf) -> None:
    shelf.values[job(2).key] = encode(result(2))
    with replies.expect(job(1)) as first, replies.expect(job(2)) as second:
        tasks = [await waiting(first), await waiting(second)]
        replies.release()
        assert await asyncio.gather(*tasks) == [None, result(2)]
        assert first.is_released
    with replies.expect(job(3)) as late:
        assert await late.within(LONG_S) is None
        assert late.is_released


async def test_who_has_a_result_is_not_released(replies: Replies) -> None:
    with replies.expect(job(1)) as reply:
        await replies.on_message(live_result(1))
        replies.release()
        assert not reply.is_released
        assert await reply.within(LONG_S) == result(1)


async def test_after_a_reconnect_all_who_wait_are_looked_up(replies: Replies, shelf: Shelf) -> None:
    shelf.values = {job(1).key: encode(result(1)), job(3).key: encode(result(3))}
    with replies.expect(job(1)) as first, replies.expect(job(2)) as second:
        one, two = await waiting(first), await waiting(second)
        await replies.look_up_all()
        assert await one == result(1)
        assert not two.done()
        assert shelf.looks == [job(1).key, job(2).key]
        two.cancel()


async def test_a_look_up_while_the_bus_is_away_leaves_everyone_waiting(replies: Replies, shelf: Shelf) -> None:
    shelf.is_away = True
    with replies.expect(job(1)) as reply:
        task = await waiting(reply)
        await replies.look_up_all()
        assert not task.done()
        task.cancel()


async def test_a_reply_that_nobody_waits_for_any_more_is_passed_over(replies: Replies, shelf: Shelf) -> None:
    with replies.expect(job(1)) as reply:
        assert await reply.within(0) is None
        await replies.on_message(live_result(1))
        await replies.on_message(live_result(1))
        assert await reply.within(0) == result(1)
    await replies.on_message(live_result(1))
    shelf.looks.clear()
    await replies.look_up_all()
    assert shelf.looks == []
