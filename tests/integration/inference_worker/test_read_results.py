"""Results that were read make room for others, by the worker's own rights."""

import pytest

from contract import topology
from contract.bus import Bus
from contract.messages import Failure
from contract.topology import JobName
from inference_worker.jobs import letter_limit, read_results
from inference_worker.jobs.read_results import ReadResults
from tests.support.bus_side import TICK_S, count, dead_letters, new_job, result_of, settled
from tests.support.engines import Noting
from tests.support.nats_server import RunningServer
from tests.support.waiting import eventually
from tests.support.worker_side import working


async def results(bus: Bus, number: int) -> list[JobName]:
    jobs = [new_job() for _ in range(number)]
    for job in jobs:
        await bus.results.create(job.key, b"x" * 100)
    return jobs


async def read(bus: Bus, *jobs: JobName) -> None:
    for job in jobs:
        await bus.publish(job.read_subject, b"")
    await settled(bus)


async def kept(bus: Bus, jobs: list[JobName]) -> list[bool]:
    return [await bus.results.get(job.key) is not None for job in jobs]


async def test_a_result_goes_an_hour_after_it_was_read_and_not_before(
    server: RunningServer, admin: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, unread = jobs = await results(admin, 2)
    await read(admin, first)
    async with server.bus("worker") as bus:
        assert await ReadResults(bus).make_room() == 0
        assert await kept(admin, jobs) == [True, True]
        monkeypatch.setattr(read_results, "KEPT_AFTER_READING_S", 0.0)
        assert await ReadResults(bus).make_room() == 1
    assert await kept(admin, jobs) == [False, True]
    assert await count(admin, topology.READ_STREAM) == 0
    assert unread in jobs


async def test_near_the_bound_the_results_that_were_read_first_go_first_and_unread_ones_stay(
    server: RunningServer, admin: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = await results(admin, 4)
    await read(admin, jobs[1], jobs[0])
    monkeypatch.setattr(read_results, "NEAR_THE_BOUND", 0.0)
    async with server.bus("worker") as bus:
        await ReadResults(bus).make_room()
    assert await kept(admin, jobs) == [False, False, True, True]


async def test_many_answers_that_are_read_never_stop_a_worker_with_a_small_store(small_server: RunningServer) -> None:
    """The bound takes a few results, and far more are written, each read before the next."""
    async with small_server.bus() as admin, small_server.bus("worker") as bus:
        room = ReadResults(bus)
        for _ in range(40):
            await read(admin, *await results(admin, 1))
            await room.make_room()
        assert await count(admin, f"KV_{topology.RESULTS_BUCKET}") < 10


async def test_bad_messages_count_as_read_and_few_of_them_keep_letters(
    server: RunningServer, admin: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letter_limit, "PER_HOUR", 2)
    async with working(server, Noting()):
        for number in range(5):
            job = new_job()
            await admin.publish_job(job, b"not a question", {})
            failure = await result_of(admin, job)
            assert isinstance(failure, Failure)
            assert (failure.code, failure.dead_letter) == ("bad-message", number < 2)

        async def all_count_as_read() -> bool:
            return await count(admin, topology.READ_STREAM) == 5

        await eventually(all_count_as_read, "all bad messages count as read", 15, TICK_S)
    assert len(await dead_letters(admin)) == 2
