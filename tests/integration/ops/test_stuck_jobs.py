"""Jobs that the durable has passed while the stream still holds them, as after an ack on a full disk."""

import asyncio

import msgspec
import psutil

from contract import topology
from contract.bus import Bus
from contract.messages import Answer, Failure, decode_result, encode
from contract.topology import JobName
from inference_worker.engines.echo import EchoEngine
from inference_worker.jobs.attempts import Starts
from ops.nats.stuck_jobs import redeliver_stuck
from tests.support.bus_side import TICK_S, is_gone, publish, result_of, starts_are_forgotten, until_connected
from tests.support.engines import Gated, Noting
from tests.support.nats_server import RunningServer
from tests.support.waiting import eventually
from tests.support.worker_side import asked, working

_RESET = f"$JS.API.CONSUMER.RESET.{topology.JOBS_STREAM}.{topology.WORKER_DURABLE}"


async def strand_all(bus: Bus) -> None:
    """Move the durable behind the last job: none that is there would ever be delivered."""
    last_seq = (await bus.js.stream_info(topology.JOBS_STREAM)).state.last_seq
    await bus.request(_RESET, msgspec.json.encode({"seq": last_seq + 1}))


def has_room(server: RunningServer, *, room: bool) -> None:
    """Whether anything that the server writes finds room."""
    assert server._process
    limit_bytes = psutil.RLIM_INFINITY if room else 0
    psutil.Process(server._process.pid).rlimit(psutil.RLIMIT_FSIZE, (limit_bytes, psutil.RLIM_INFINITY))


async def is_stranded(bus: Bus, job: JobName) -> bool:
    state = await bus.queue_state()
    found = await bus.find_job(job)
    return found is not None and state.running == 0 and found.seq <= state.delivered_seq


async def test_a_stranded_job_that_has_its_result_gives_its_place_back_without_being_run(
    server: RunningServer, admin: Bus
) -> None:
    job = await publish(admin)
    await admin.results.create(job.key, encode(Failure(id=job.job_id, code="cancelled", detail="It was.")))
    await Starts(admin.starts).add(job)
    await strand_all(admin)
    engine = Noting()
    async with working(server, engine):
        assert await is_stranded(admin, job)
        assert await redeliver_stuck(admin) == 1
        await is_gone(admin, job)
        await starts_are_forgotten(admin)
    assert not engine.asked
    entry = await admin.results.get(job.key)
    assert entry
    assert isinstance(decode_result(entry.value), Failure)


async def test_a_stranded_job_without_a_result_is_run(server: RunningServer, admin: Bus) -> None:
    job = await publish(admin)
    await strand_all(admin)
    async with working(server, EchoEngine(2)):
        assert await is_stranded(admin, job)
        assert await redeliver_stuck(admin) == 1
        assert isinstance(await result_of(admin, job), Answer)
        await is_gone(admin, job)


async def test_an_ack_that_reached_a_broken_store_costs_no_place(server: RunningServer, admin: Bus) -> None:
    """The job stays even after the restart that repairs the store: no one but us would ever look for it."""
    jobs = [await publish(admin) for _ in range(2)]
    for job in jobs:
        await admin.results.create(job.key, encode(Failure(id=job.job_id, code="cancelled", detail="It was.")))
    has_room(server, room=False)
    engine = Noting()
    async with working(server, engine):

        async def are_acked() -> bool:
            return await is_stranded(admin, jobs[0]) and await is_stranded(admin, jobs[1])

        await eventually(are_acked, "the acks are taken", 10, TICK_S)
        has_room(server, room=True)
        server.stop()
        await until_connected(admin, is_connected=False)
        server.start()
        await until_connected(admin)
        assert await is_stranded(admin, jobs[0])
        assert await redeliver_stuck(admin) == 2
        for job in jobs:
            await is_gone(admin, job)
    assert not engine.asked


async def test_a_job_that_a_worker_holds_is_not_run_again_when_others_are_brought_back(
    server: RunningServer, admin: Bus
) -> None:
    engine = Gated()
    async with working(server, engine):
        held = await publish(admin, "held")
        await asked(engine)
        await strand_all(admin)
        assert await redeliver_stuck(admin) == 1
        engine.gate.set()
        assert isinstance(await result_of(admin, held), Answer)
        await is_gone(admin, held)
    assert engine.questions == ["held"]


async def test_jobs_that_wait_and_run_are_left_alone(server: RunningServer, admin: Bus) -> None:
    engine = Gated(slots=1)
    async with working(server, engine):
        for number in range(5):
            await publish(admin, f"question {number}")
        await asked(engine)

        async def are_held() -> bool:
            return (await admin.queue_state()).running == 2

        await eventually(are_held, "the worker holds two", 10, TICK_S)
        assert await redeliver_stuck(admin) == 0
        durable = await admin.js.consumer_info(topology.JOBS_STREAM, topology.WORKER_DURABLE)
        assert durable.delivered
        assert durable.delivered.consumer_seq == 2
        engine.gate.set()


async def test_however_busy_the_queue_is_nothing_is_delivered_anew(server: RunningServer, admin: Bus) -> None:
    """Whatever falls between two counts of the server."""

    async def look() -> None:
        while True:
            assert await redeliver_stuck(admin) == 0

    async with working(server, EchoEngine(8)):
        looking = asyncio.create_task(look())
        for _ in range(30):
            jobs = await asyncio.gather(*(publish(admin, "busy") for _ in range(8)))
            await asyncio.gather(*(is_gone(admin, job) for job in jobs))
        assert not looking.done()
        looking.cancel()
