"""Counting starts in the bucket of starts."""

import asyncio

from contract import topology
from contract.bus import Bus
from inference_worker.jobs.attempts import StartRecord, Starts
from tests.support.bus_side import count, new_job
from tests.support.nats_server import RunningServer


async def test_starts_are_counted_up_and_back(admin: Bus) -> None:
    starts, job, other = Starts(admin.starts), new_job(), new_job()
    assert (await starts.of(job)).total == 0
    assert [(await starts.add(job)).total, (await starts.add(job)).total] == [1, 2]
    await starts.take_back(job)
    assert ((await starts.of(job)).total, (await starts.of(other)).total) == (1, 0)


async def test_a_count_never_falls_below_zero(admin: Bus) -> None:
    starts, job = Starts(admin.starts), new_job()
    await starts.take_back(job)
    assert (await starts.of(job)).total == 0
    assert (await starts.add(job)).total == 1


async def test_starts_that_are_counted_at_once_are_all_counted(admin: Bus) -> None:
    starts, job = Starts(admin.starts), new_job()
    added = await asyncio.gather(*(starts.add(job) for _ in range(5)))
    assert sorted(record.total for record in added) == [1, 2, 3, 4, 5]


async def test_a_forgotten_count_leaves_no_marker_behind(server: RunningServer) -> None:
    """By the worker's own rights."""
    async with server.bus("worker") as bus, server.bus() as admin:
        starts, job, kept = Starts(bus.starts), new_job(), new_job()
        await starts.add(kept)
        await starts.add(job)
        await starts.add(job)
        await starts.take_back(job)
        await starts.forget(job)
        assert (await starts.of(job)).total == 0
        assert await count(admin, f"KV_{topology.STARTS_BUCKET}") == 1
        await starts.forget(job)
        assert (await starts.of(kept)).total == 1


async def test_starts_in_company_are_kept_apart_and_an_older_worker_reads_a_number(admin: Bus) -> None:
    starts, job = Starts(admin.starts), new_job()
    await starts.add(job, company=8)
    assert await starts.add(job, company=4) == StartRecord(in_company=2, alone=0, company=4)
    entry = await admin.starts.get(job.key)
    assert entry
    assert int(entry.value) == 1
    assert await starts.blame(job) == StartRecord(in_company=1, alone=1, company=1)


async def test_a_number_that_an_older_worker_wrote_counts_as_starts_alone(admin: Bus) -> None:
    job = new_job()
    await admin.starts.put(job.key, b"2")
    assert await Starts(admin.starts).of(job) == StartRecord(alone=2, company=1)
