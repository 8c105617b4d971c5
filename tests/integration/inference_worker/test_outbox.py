"""Writing what must not be lost, to full buckets and to an unavailable bus."""

import asyncio
import signal

import pytest

from contract import topology
from contract.bus import Bus
from contract.bus.provision import provision
from contract.errors import MessageTooLargeError
from contract.messages import DeadLetter, Failure, Query, TokenEvent, decode_result, encode
from contract.settings import QueueSettings
from contract.topology import JobName
from inference_worker.jobs import outbox as outbox_module
from inference_worker.jobs.outbox import Outbox
from tests.support.bus_side import TICK_S, count, dead_letters, fill_results, new_job, overheard, until_connected
from tests.support.nats_server import RunningServer
from tests.support.waiting import eventually


class Notes:
    """How often the outbox said that it is stuck, and that it is free again."""

    def __init__(self) -> None:
        self.stuck = 0
        self.free = 0

    def on_stuck(self) -> None:
        self.stuck += 1

    def on_free(self) -> None:
        self.free += 1

    async def is_stuck(self, times: int) -> None:
        async def probe() -> bool:
            return self.stuck >= times

        await eventually(probe, f"the outbox is stuck {times} times", 15, TICK_S)


@pytest.fixture(autouse=True)
def short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "FIRST_RETRY_S", 0.01)
    monkeypatch.setattr(outbox_module, "LONGEST_RETRY_S", 0.05)


def failure(job: JobName, detail: str = "It was.") -> Failure:
    return Failure(id=job.job_id, code="cancelled", detail=detail)


def letter(job: JobName, query: Query | None = None) -> DeadLetter:
    return DeadLetter(
        subject=job.subject,
        reason="bad-message",
        detail="Why.",
        attempts=0,
        headers={},
        size_bytes=7,
        sha256="abc",
        query=query,
    )


async def test_storing_tells_the_result_that_stands(admin: Bus) -> None:
    notes, job = Notes(), new_job()
    outbox = Outbox(admin, notes.on_stuck, notes.on_free)
    assert await outbox.store(job, failure(job, "first")) == failure(job, "first")
    assert await outbox.store(job, failure(job, "second")) == failure(job, "first")
    assert (notes.stuck, notes.free) == (0, 0)


async def test_a_full_bucket_is_tried_until_the_result_is_written(small_server: RunningServer) -> None:
    """It is free again only when the last result that could not be stored is."""
    async with small_server.bus() as admin, small_server.bus("worker") as bus:
        await fill_results(admin)
        notes, jobs = Notes(), [new_job(), new_job()]
        outbox = Outbox(bus, notes.on_stuck, notes.on_free)
        storing = [asyncio.create_task(outbox.store(job, failure(job))) for job in jobs]
        await notes.is_stuck(2)
        assert notes.free == 0
        assert not [task for task in storing if task.done()]
        assert outbox.error == "Results can't be stored: The store DOCQA_RESULTS is full."
        await provision(admin, QueueSettings(results_max_bytes=2**20))
        assert await asyncio.gather(*storing) == [failure(job) for job in jobs]
        assert (notes.stuck, notes.free) == (2, 1)
        assert outbox.error == ""
        for job in jobs:
            entry = await admin.results.get(job.key)
            assert entry
            assert decode_result(entry.value) == failure(job)


async def test_a_bus_that_is_away_is_waited_for(server: RunningServer, admin: Bus) -> None:
    server.stop(signal.SIGKILL)
    await until_connected(admin, is_connected=False)
    notes, job = Notes(), new_job()
    outbox = Outbox(admin, notes.on_stuck, notes.on_free)
    storing = asyncio.create_task(outbox.store(job, failure(job)))
    burying = asyncio.create_task(outbox.dead_letter(letter(job), job.job_id, "1"))
    await notes.is_stuck(2)
    server.start()
    async with asyncio.timeout(10):
        await asyncio.gather(storing, burying)
    assert notes.free == 1
    assert await count(admin, topology.DEAD_STREAM) == 1


async def test_who_gives_up_storing_is_stuck_no_more(small_server: RunningServer) -> None:
    async with small_server.bus() as admin:
        await fill_results(admin)
        notes, job = Notes(), new_job()
        storing = asyncio.create_task(Outbox(admin, notes.on_stuck, notes.on_free).store(job, failure(job)))
        await notes.is_stuck(1)
        storing.cancel()
        await asyncio.gather(storing, return_exceptions=True)
        assert (notes.stuck, notes.free) == (1, 1)


async def test_a_dead_letter_is_stored_once_however_often_it_is_tried(admin: Bus) -> None:
    notes, job = Notes(), new_job()
    outbox = Outbox(admin, notes.on_stuck, notes.on_free)
    await outbox.dead_letter(letter(job), job.job_id, "17")
    await outbox.dead_letter(letter(job), job.job_id, "17")
    assert await dead_letters(admin) == {f"docqa.dead.bad-message.{job.job_id}": letter(job)}


async def test_live_messages_are_best_effort(server: RunningServer, admin: Bus) -> None:
    notes, job = Notes(), new_job()
    outbox = Outbox(admin, notes.on_stuck, notes.on_free)
    async with overheard(admin, "docqa.*.alice.>") as heard:
        await outbox.reply(job, failure(job))
        await outbox.stream(job, TokenEvent(1, 0, "So"))
    assert [message.subject for message in heard] == [job.results_subject, job.tokens_subject]
    server.stop(signal.SIGKILL)
    await until_connected(admin, is_connected=False)
    await outbox.reply(job, failure(job))
    await outbox.stream(job, TokenEvent(1, 1, " long"))
    assert notes.stuck == 0


@pytest.mark.parametrize("below", [-100_000, 0, 20])
async def test_a_dead_letter_larger_than_the_bus_accepts_keeps_its_size_and_hash(admin: Bus, below: int) -> None:
    notes, job = Notes(), new_job()
    room = admin.client.max_payload - below - len(encode(letter(job, Query(query="x"))))
    large = letter(job, Query(query="x" * room))
    await Outbox(admin, notes.on_stuck, notes.on_free).dead_letter(large, job.job_id, "1")
    [kept] = (await dead_letters(admin)).values()
    assert (kept.size_bytes, kept.sha256, kept.query) == (7, "abc", None)
    assert (notes.stuck, notes.free) == (0, 0)


async def test_a_result_larger_than_the_bus_accepts_is_tried_once(admin: Bus) -> None:
    notes, job = Notes(), new_job()
    with pytest.raises(MessageTooLargeError):
        await Outbox(admin, notes.on_stuck, notes.on_free).store(job, failure(job, "x" * admin.client.max_payload))
    assert (notes.stuck, notes.free) == (0, 0)
