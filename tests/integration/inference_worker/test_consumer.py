"""Pulling, holding and giving back jobs, with a `serve` that the test commands."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator

import pytest
from nats.aio.msg import Msg

from contract import topology
from contract.bus import Bus
from contract.bus.provision import provision
from inference_worker.jobs import consumer as consumer_module
from inference_worker.jobs.consumer import Consumer
from inference_worker.jobs.job import Job
from tests.integration.conftest import ACK_WAIT_S
from tests.support.bus_side import TICK_S, count, is_gone, overheard, publish, settled, until_connected
from tests.support.nats_server import RunningServer
from tests.support.waiting import eventually

LONG_S = 30.0
AT_ONCE_S = 0.5
ACKS = f"$JS.ACK.{topology.JOBS_STREAM}.{topology.WORKER_DURABLE}.>"


class Crew:
    """Serves each job until the test lets it go, then acks it."""

    def __init__(self, *, starts: bool = False) -> None:
        self.jobs: list[Job] = []
        self.served: list[str] = []
        self.ended: list[str] = []
        self._starts = starts
        self._may_end = asyncio.Event()

    async def serve(self, job: Job) -> None:
        self.jobs.append(job)
        self.served.append(job.subject)
        job.is_started = self._starts
        await self._may_end.wait()
        self.ended.append(job.subject)
        await job.ack()

    def let_go(self) -> None:
        self._may_end.set()

    async def has(self, number: int) -> None:
        """Wait until so many jobs were served."""

        async def probe() -> bool:
            return len(self.served) >= number

        await eventually(probe, f"{number} jobs are served", 15, TICK_S)


@contextlib.asynccontextmanager
async def pulling(
    server: RunningServer, crew: Crew, *, limit: int = 2, ack_wait_s: float = LONG_S
) -> AsyncIterator[Consumer]:
    """A consumer that pulls while the block runs; at its end all is given back."""
    bus = Bus()
    consumer = Consumer(bus, crew.serve, limit, ack_wait_s)
    await bus.connect(server.settings_for("worker"), "worker", on_reconnect=consumer.forget_pulls)

    async def cancel(message: Msg) -> None:
        consumer.cancel(topology.cancelled_job(message.subject))

    await bus.subscribe(topology.CANCEL_SUBJECTS, cancel)
    running = asyncio.create_task(consumer.run())
    try:
        yield consumer
    finally:
        await stop(running)
        await consumer.drain(0)
        await bus.close()


async def stop(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def running(bus: Bus, number: int) -> None:
    """Wait until so many jobs are with workers."""

    async def probe() -> bool:
        return (await bus.queue_state()).running == number

    await eventually(probe, f"{number} jobs are with workers", 15, TICK_S)


async def redeliveries(bus: Bus) -> int:
    return (await bus.js.consumer_info(topology.JOBS_STREAM, topology.WORKER_DURABLE)).num_redelivered or 0


async def test_no_more_jobs_are_held_than_the_limit(server: RunningServer, admin: Bus) -> None:
    for _ in range(5):
        await publish(admin)
    crew = Crew()
    async with pulling(server, crew, limit=2) as consumer:
        await crew.has(2)
        await settled(admin)
        assert (consumer.held, (await admin.queue_state()).running) == (2, 2)
        crew.let_go()
        await crew.has(5)
        await running(admin, 0)
    assert len(set(crew.served)) == 5


async def test_a_job_carries_its_body_its_headers_and_the_time_of_its_acceptance(
    server: RunningServer, admin: Bus
) -> None:
    job = await publish(admin, "Who?")
    crew = Crew()
    async with pulling(server, crew):
        await crew.has(1)
        [held] = crew.jobs
        message = await admin.js.get_msg(topology.JOBS_STREAM, subject=job.subject, direct=True)
        assert (held.subject, held.body, held.stream_seq) == (job.subject, message.data, message.seq)
        assert message.time
        assert abs(held.accepted_s - message.time.timestamp()) < 0.001


async def test_a_held_job_that_comes_again_is_not_served_again_and_its_ack_holds(hasty_server: RunningServer) -> None:
    crew = Crew()
    async with hasty_server.bus() as admin, pulling(hasty_server, crew, ack_wait_s=LONG_S) as consumer:
        job = await publish(admin)
        await crew.has(1)

        async def came_again() -> bool:
            return await redeliveries(admin) > 0

        await eventually(came_again, "the job is delivered again", 15, TICK_S)
        assert (crew.served, consumer.held) == ([job.subject], 1)
        crew.let_go()
        await is_gone(admin, job)
    assert crew.served == [job.subject]


async def test_held_jobs_are_kept_alive_past_the_ack_wait(hasty_server: RunningServer) -> None:
    crew = Crew()
    async with hasty_server.bus() as admin, overheard(admin, ACKS) as said:
        await publish(admin)
        async with pulling(hasty_server, crew, ack_wait_s=ACK_WAIT_S):

            async def said_often() -> bool:
                return sum(message.data == b"+WPI" for message in said) > 6

            await eventually(said_often, "the job was kept for twice its ack wait", 15, TICK_S)
            assert await redeliveries(admin) == 0
            assert not crew.jobs[0].is_stale


async def test_a_drain_gives_back_at_once_what_is_not_started(server: RunningServer, admin: Bus) -> None:
    for _ in range(2):
        await publish(admin)
    crew, other = Crew(), Crew()
    async with overheard(admin, ACKS) as said, pulling(server, crew):
        await crew.has(2)
    assert [message.data for message in said] == [b"-NAK", b"-NAK"]
    assert await count(admin, topology.JOBS_STREAM) == 2
    async with pulling(server, other):
        async with asyncio.timeout(AT_ONCE_S):
            await other.has(2)
    assert crew.ended == []


async def test_a_drain_lets_a_started_job_finish(server: RunningServer, admin: Bus) -> None:
    job = await publish(admin)
    crew = Crew(starts=True)
    async with pulling(server, crew) as consumer:
        await crew.has(1)
        draining = asyncio.create_task(consumer.drain(LONG_S))
        await settled(admin)
        assert not draining.done()
        crew.let_go()
        await asyncio.wait_for(draining, AT_ONCE_S)
        assert crew.ended == [job.subject]
        assert consumer.held == 0
    await is_gone(admin, job)


@pytest.mark.parametrize("is_hurried", [False, True])
async def test_a_started_job_is_given_back_at_the_drains_limit_or_when_it_is_hurried(
    server: RunningServer, admin: Bus, is_hurried: bool
) -> None:
    job = await publish(admin)
    crew = Crew(starts=True)
    async with pulling(server, crew) as consumer:
        await crew.has(1)
        consumer.pause()
        draining = asyncio.create_task(consumer.drain(LONG_S if is_hurried else 0))
        await asyncio.sleep(0)
        if is_hurried:
            consumer.hurry()
        await asyncio.wait_for(draining, AT_ONCE_S)
        assert consumer.held == 0
    assert crew.ended == []
    assert await admin.find_job(job)


async def test_what_is_delivered_while_the_pulling_stops_is_given_back_too(server: RunningServer, admin: Bus) -> None:
    """Whatever the moment at which a worker stops, all is with the next one at once."""
    for turns in range(15):
        leaving, staying = Crew(), Crew()
        staying.let_go()
        async with pulling(server, leaving, limit=10):
            publishing = [asyncio.create_task(publish(admin)) for _ in range(3)]
            for _ in range(turns):
                await asyncio.sleep(0)
        jobs = await asyncio.gather(*publishing)
        async with pulling(server, staying, limit=10):
            async with asyncio.timeout(AT_ONCE_S):
                await staying.has(3)
        assert sorted(staying.served) == sorted(job.subject for job in jobs)


async def test_a_stale_job_is_neither_given_back_nor_terminated_but_acked(
    server: RunningServer, admin: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker may have it by now; a late ack only says that its result is stored."""
    name = await publish(admin)
    crew = Crew()
    async with pulling(server, crew):
        await crew.has(1)
        [job] = crew.jobs
        monkeypatch.setattr(job, "_kept_s", job._kept_s - LONG_S - 1)
        assert job.is_stale
        async with overheard(admin, ACKS) as said:
            await job.give_back()
            await job.give_back(1.0)
            await job.terminate()
            await job.ack()
            await is_gone(admin, name)
        assert [message.data for message in said] == [b"+ACK"]


async def test_an_answered_sign_of_life_makes_a_job_fresh_again(server: RunningServer, admin: Bus) -> None:
    await publish(admin)
    crew = Crew()
    async with pulling(server, crew):
        await crew.has(1)
        [job] = crew.jobs
        job._kept_s -= LONG_S + 1
        await job.keep()
        assert not job.is_stale


async def test_a_sign_of_life_that_nobody_answers_does_not(server: RunningServer, admin: Bus) -> None:
    await publish(admin)
    crew = Crew()
    async with pulling(server, crew):
        await crew.has(1)
        [job] = crew.jobs
        job._kept_s -= LONG_S + 1
        server.stop(signal.SIGKILL)
        await until_connected(admin, is_connected=False)
        await job.keep()
        assert job.is_stale


async def test_nothing_new_is_pulled_while_paused(server: RunningServer, admin: Bus) -> None:
    crew = Crew()
    async with pulling(server, crew, limit=1) as consumer:
        await publish(admin)
        await crew.has(1)
        consumer.pause()
        crew.let_go()
        await running(admin, 0)
        job = await publish(admin)
        async with overheard(admin, "$JS.API.CONSUMER.MSG.NEXT.>") as pulls:
            for _ in range(3):
                await asyncio.sleep(0)
                consumer._wake.set()
            await settled(admin)
        assert pulls == []
        assert len(crew.served) == 1
        consumer.resume()
        await crew.has(2)
        await is_gone(admin, job)


async def test_after_a_server_restart_pulls_go_on(
    server: RunningServer, admin: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without waiting for the end of those that the old server knew."""
    monkeypatch.setattr(consumer_module, "PULL_EXPIRES_S", LONG_S)
    crew = Crew()
    crew.let_go()
    async with pulling(server, crew) as consumer:
        await publish(admin)
        await crew.has(1)
        server.stop(signal.SIGKILL)
        for bus in (admin, consumer._bus):
            await until_connected(bus, is_connected=False)
        server.start()
        await until_connected(consumer._bus)
        await until_connected(admin)
        job = await publish(admin)
        await crew.has(2)
        await is_gone(admin, job)
        consumer.hurry()


async def test_without_a_durable_the_consumer_backs_off_and_goes_on_when_there_is_one(
    server: RunningServer, admin: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_module, "BACK_OFF_S", 0.1)
    await admin.js.delete_consumer(topology.JOBS_STREAM, topology.WORKER_DURABLE)
    crew = Crew()
    async with pulling(server, crew) as consumer:

        async def backs_off() -> bool:
            return consumer._not_before_s > 0

        await eventually(backs_off, "the consumer backs off", 15, TICK_S)
        asked = consumer._pulled

        async def asks_again() -> bool:
            return consumer._pulled > asked

        await eventually(asks_again, "it asks again", 15, TICK_S)
        await provision(admin, server.settings)
        await publish(admin)
        await crew.has(1)


async def test_a_job_whose_serving_breaks_is_given_back_with_a_delay_and_harms_nobody(
    server: RunningServer, admin: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_module, "BACK_OFF_S", 0.05)
    crew, broken = Crew(), 0
    crew.let_go()

    async def serve(job: Job) -> None:
        nonlocal broken
        broken += 1
        if broken == 1:
            raise RuntimeError("a defect")
        await crew.serve(job)

    async with pulling(server, crew) as consumer:
        monkeypatch.setattr(consumer, "_serve", serve)
        job = await publish(admin)
        await is_gone(admin, job)
        assert broken == 2
        await is_gone(admin, await publish(admin))


async def test_a_cancel_hint_reaches_the_job_that_it_names_and_no_other(server: RunningServer, admin: Bus) -> None:
    crew = Crew()
    async with pulling(server, crew):
        wanted = await publish(admin)
        unwanted = await publish(admin)
        await crew.has(2)
        await admin.publish(unwanted.cancel_subject, b"")
        await admin.publish("docqa.cancel.nobody", b"")

        async def is_told() -> bool:
            return any(job.is_cancelled for job in crew.jobs)

        await eventually(is_told, "the hint arrives", 15, TICK_S)
        assert {job.subject: job.is_cancelled for job in crew.jobs} == {wanted.subject: False, unwanted.subject: True}


async def test_two_consumers_on_the_one_durable_share_the_jobs(server: RunningServer, admin: Bus) -> None:
    left, right = Crew(), Crew()
    async with pulling(server, left, limit=2), pulling(server, right, limit=2):
        for _ in range(4):
            await publish(admin)
        await left.has(2)
        await right.has(2)
    assert len({*left.served, *right.served}) == 4
