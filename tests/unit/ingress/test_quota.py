"""The share of the queue's slots that each client may hold."""

import asyncio

import pytest

from contract.bus import Bus
from contract.bus.client import JobsOnStream
from contract.errors import BusUnavailableError
from contract.topology import JobName
from ingress.jobs.quota import Quota, ShareUsedUpError

CAPACITY = 10
TENTH = 0.1
THIRD = 0.3


class Stream(Bus):
    """A stream whose jobs the test names."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.capacity = CAPACITY
        self.is_unavailable = False
        self.counts = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def jobs_of(self, publisher: str) -> JobsOnStream:
        assert publisher == "http"
        self.counts += 1
        if self.is_unavailable:
            raise BusUnavailableError
        found = JobsOnStream(self.capacity, frozenset(self.names))
        await self.may_answer.wait()
        return found


@pytest.fixture
async def stream() -> Stream:
    return Stream()


@pytest.fixture
def quota(stream: Stream) -> Quota:
    return Quota(stream)


def job(number: int, client: str = "alice") -> JobName:
    return JobName("http", client, f"00000000-0000-7000-8000-{number:012}")


def named(*jobs: JobName) -> set[str]:
    return {one.key.removeprefix("http.") for one in jobs}


async def publish(quota: Quota, stream: Stream, one: JobName, share: float = THIRD) -> None:
    """All that happens when a job is accepted."""
    await quota.take(one, share)
    stream.names |= named(one)
    quota.settle(one)


async def is_full(quota: Quota, client: str = "alice", share: float = THIRD) -> bool:
    """Whether the client is refused one place more."""
    probe = job(999_999, client)
    try:
        await quota.take(probe, share)
    except ShareUsedUpError:
        return True
    quota.free(probe.client, probe.job_id)
    return False


async def test_a_client_holds_no_more_than_its_share(quota: Quota, stream: Stream) -> None:
    for number in range(3):
        assert not await is_full(quota)
        await publish(quota, stream, job(number))
    with pytest.raises(ShareUsedUpError) as refused:
        await quota.take(job(3), THIRD)
    assert (refused.value.slots, refused.value.capacity) == (3, CAPACITY)
    assert not await is_full(quota, "bob")


@pytest.mark.parametrize("share", [0.0001, 0.05, TENTH, 0.19])
async def test_every_client_has_one_place_at_least(quota: Quota, stream: Stream, share: float) -> None:
    assert not await is_full(quota, share=share)
    await publish(quota, stream, job(1), share)
    assert await is_full(quota, share=share)


async def test_a_place_is_free_when_its_jobs_result_is_heard(quota: Quota, stream: Stream) -> None:
    await publish(quota, stream, job(1), TENTH)
    quota.on_result(job(1, "bob").results_subject)
    quota.on_result(job(2).results_subject)
    assert await is_full(quota, share=TENTH)
    quota.on_result(job(1).results_subject)
    assert not await is_full(quota, share=TENTH)


async def test_a_job_that_holds_a_place_needs_no_second(quota: Quota, stream: Stream) -> None:
    """A retry with the same key."""
    await publish(quota, stream, job(1), TENTH)
    await publish(quota, stream, job(1), TENTH)
    quota.on_result(job(1).results_subject)
    assert not await is_full(quota, share=TENTH)


async def test_what_was_on_the_stream_before_is_counted_when_first_needed(quota: Quota, stream: Stream) -> None:
    """After a restart: nothing is counted until a client with a share comes."""
    stream.names = named(job(1), job(2), job(3), job(1, "bob"))
    quota.on_result(job(9).results_subject)
    await quota.recount_if_counting()
    assert stream.counts == 0
    assert await is_full(quota)
    assert stream.counts == 1
    assert not await is_full(quota, "bob")


async def test_many_at_once_are_counted_once(quota: Quota, stream: Stream) -> None:
    stream.names = named(job(1))
    taken = await asyncio.gather(*(quota.take(job(number), THIRD) for number in range(10, 20)), return_exceptions=True)
    assert stream.counts == 1
    assert taken.count(None) == 2


async def test_nothing_is_taken_while_the_places_cant_be_counted(quota: Quota, stream: Stream) -> None:
    stream.is_unavailable = True
    with pytest.raises(BusUnavailableError):
        await quota.take(job(1), THIRD)
    stream.is_unavailable = False
    assert not await is_full(quota)


async def test_a_lost_reply_costs_a_place_until_the_next_count_only(quota: Quota, stream: Stream) -> None:
    await publish(quota, stream, job(1), TENTH)
    stream.names.clear()
    assert await is_full(quota, share=TENTH)
    await quota.recount()
    assert not await is_full(quota, share=TENTH)


async def test_a_job_that_the_bus_has_not_answered_for_keeps_its_place(quota: Quota, stream: Stream) -> None:
    await quota.take(job(1), TENTH)
    await quota.recount()
    assert await is_full(quota, share=TENTH)
    quota.settle(job(1))
    await quota.recount()
    assert not await is_full(quota, share=TENTH)


async def test_a_job_that_another_ingress_published_is_counted(quota: Quota, stream: Stream) -> None:
    assert not await is_full(quota, share=TENTH)
    stream.names = named(job(1))
    await quota.recount()
    assert await is_full(quota, share=TENTH)


async def test_a_result_that_is_heard_before_its_ack_frees_the_place_for_good(quota: Quota, stream: Stream) -> None:
    """The worker replies, then acks: a count in between sees the job still."""
    await publish(quota, stream, job(1), TENTH)
    quota.on_result(job(1).results_subject)
    await quota.recount()
    assert not await is_full(quota, share=TENTH)


async def test_a_result_that_is_heard_while_a_count_runs_is_not_undone(quota: Quota, stream: Stream) -> None:
    await publish(quota, stream, job(1), TENTH)
    stream.may_answer.clear()
    counting = asyncio.create_task(quota.recount())
    await asyncio.sleep(0)
    quota.on_result(job(1).results_subject)
    stream.may_answer.set()
    await counting
    assert not await is_full(quota, share=TENTH)


async def test_a_count_that_fails_leaves_all_as_it_was(quota: Quota, stream: Stream) -> None:
    await publish(quota, stream, job(1), TENTH)
    await publish(quota, stream, job(1, "bob"), TENTH)
    quota.on_result(job(1, "bob").results_subject)
    stream.is_unavailable = True
    await quota.recount_if_counting()
    assert await is_full(quota, share=TENTH)
    stream.is_unavailable = False
    await quota.recount()
    assert await is_full(quota, share=TENTH)
    assert not await is_full(quota, "bob", TENTH)


async def test_a_queue_that_grew_gives_larger_shares_after_the_next_count(quota: Quota, stream: Stream) -> None:
    await publish(quota, stream, job(1), TENTH)
    stream.capacity = 20
    await quota.recount()
    assert not await is_full(quota, share=TENTH)


async def test_a_client_without_jobs_is_forgotten(quota: Quota, stream: Stream) -> None:
    for number in range(100):
        await publish(quota, stream, job(number, f"c{number}"))
        quota.on_result(job(number, f"c{number}").results_subject)
    stream.names.clear()
    await quota.recount()
    await quota.recount()
    assert not quota._held
    assert not quota._ended
