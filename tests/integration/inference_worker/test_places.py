"""Places in the queue: an ended job frees its own at once, and no slot is idle while another worker holds a job."""

from contract import topology
from contract.bus import Bus
from contract.messages import Failure, Turn, encode
from contract.topology import JobName
from inference_worker.jobs.attempts import Starts
from tests.support.bus_side import TICK_S, is_gone, new_job, publish, result_of
from tests.support.engines import Gated
from tests.support.nats_server import RunningServer
from tests.support.waiting import eventually
from tests.support.worker_side import asked, working


async def occupied(admin: Bus, engine: Gated, held: int) -> None:
    """All slots run a job, and as many again are held."""
    for _ in range(held):
        await publish(admin)
    await asked(engine, engine.slots)

    async def are_held() -> bool:
        return (await admin.queue_state()).running == held

    await eventually(are_held, f"{held} jobs are held", 15, TICK_S)


async def end_by_ingress(admin: Bus, job: JobName, *, is_announced: bool = True) -> None:
    """What an ingress does when a client cancels."""
    failure = Failure(id=job.job_id, code="cancelled", detail="The client cancelled the job.")
    await admin.results.create(job.key, encode(failure))
    if is_announced:
        await admin.publish(job.cancel_subject, b"")


async def test_a_held_job_that_is_cancelled_while_it_waits_for_a_slot_leaves_the_stream(
    server: RunningServer, admin: Bus
) -> None:
    engine = Gated(slots=1)
    async with working(server, engine):
        await occupied(admin, engine, 1)
        job = await publish(admin)
        await end_by_ingress(admin, job)
        await is_gone(admin, job)
        assert len(engine.asked) == 1


async def test_a_job_that_is_cancelled_before_it_is_delivered_leaves_the_stream(
    server: RunningServer, admin: Bus
) -> None:
    engine = Gated(slots=1)
    async with working(server, engine):
        await occupied(admin, engine, 2)
        job = await publish(admin)
        await end_by_ingress(admin, job)
        await is_gone(admin, job)
        assert (await admin.queue_state()).depth == 2


async def test_a_publishers_cancel_of_a_job_that_waits_ends_it(server: RunningServer, admin: Bus) -> None:
    engine = Gated(slots=1)
    async with working(server, engine):
        await occupied(admin, engine, 2)
        job = await publish(admin)
        await admin.publish(job.cancel_subject, b"")
        failure = await result_of(admin, job)
        assert isinstance(failure, Failure)
        assert failure.code == "cancelled"
        await is_gone(admin, job)


async def test_a_job_whose_cancel_was_lost_leaves_the_stream_all_the_same(server: RunningServer, admin: Bus) -> None:
    engine = Gated(slots=1)
    async with working(server, engine):
        await occupied(admin, engine, 1)
        held = await publish(admin)
        waiting = await publish(admin)
        for job in (held, waiting):
            await end_by_ingress(admin, job, is_announced=False)
        await is_gone(admin, held)
        await is_gone(admin, waiting)
        assert len(engine.asked) == 1


async def test_a_job_that_passes_its_deadline_before_it_is_delivered_ends_and_leaves(
    server: RunningServer, admin: Bus
) -> None:
    engine = Gated(slots=1)
    async with working(server, engine):
        await occupied(admin, engine, 2)
        job = await publish(admin, deadline_s=0.5, messages=[Turn(role="user", content="Hello?")], v=2)
        failure = await result_of(admin, job)
        assert isinstance(failure, Failure)
        assert failure.code == "deadline-exceeded"
        await is_gone(admin, job)


async def test_a_worker_that_joins_is_left_the_jobs_that_a_busy_one_only_holds(
    server: RunningServer, admin: Bus
) -> None:
    busy, joining = Gated(slots=2), Gated(slots=2)
    async with working(server, busy):
        await occupied(admin, busy, 4)
        async with working(server, joining):
            await asked(joining, 2)
            assert len(busy.asked) == 2
            joining.gate.set()
            busy.gate.set()

            async def all_answered() -> bool:
                return (await admin.queue_state()).depth == 0

            await eventually(all_answered, "all jobs are answered", 15, TICK_S)
        assert len(busy.asked) + len(joining.asked) == 4


async def test_after_a_crash_the_jobs_run_in_halves_and_not_one_by_one(server: RunningServer, admin: Bus) -> None:
    engine, jobs = Gated(slots=4), [new_job() for _ in range(4)]
    for job in jobs:
        await Starts(admin.starts).add(job, company=4)
    async with working(server, engine):
        for job in jobs:
            await publish(admin, job=job)
        await asked(engine, 2)
        assert len(engine.asked) == 2
        engine.gate.set()
        for job in jobs:
            await result_of(admin, job)


async def test_only_a_worker_may_take_jobs_off_the_stream(server: RunningServer, admin: Bus) -> None:
    job = await publish(admin)
    message = await admin.find_job(job)
    assert message
    async with server.bus("worker") as worker:
        assert await worker.remove_stored(topology.JOBS_STREAM, message.seq)
    await is_gone(admin, job)
