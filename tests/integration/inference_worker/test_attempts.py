"""Counting starts in the bucket of starts."""

import asyncio

from contract import topology
from contract.bus import Bus
from inference_worker.jobs.attempts import Starts
from tests.support.bus_side import count, new_job
from tests.support.nats_server import RunningServer


async def test_starts_are_counted_up_and_back(admin: Bus) -> None:
    starts, job, other = Starts(admin.starts), new_job(), new_job()
    assert await starts.of(job) == 0
    assert [await starts.add(job), await starts.add(job)] == [1, 2]
    await starts.take_back(job)
    assert (await starts.of(job), await starts.of(other)) == (1, 0)


async def test_a_count_never_falls_below_zero(admin: Bus) -> None:
    starts, job = Starts(admin.starts), new_job()
    await starts.take_back(job)
    assert await starts.of(job) == 0
    assert await starts.add(job) == 1


async def test_starts_that_are_counted_at_once_are_all_counted(admin: Bus) -> None:
    starts, job = Starts(admin.starts), new_job()
    assert sorted(await asyncio.gather(*(starts.add(job) for _ in range(5)))) == [1, 2, 3, 4, 5]


async def test_a_forgotten_count_leaves_no_marker_behind(server: RunningServer) -> None:
    """By the worker's own rights."""
    async with server.bus("worker") as bus, server.bus() as admin:
        starts, job, kept = Starts(bus.starts), new_job(), new_job()
        await starts.add(kept)
        await starts.add(job)
        await starts.add(job)
        await starts.take_back(job)
        await starts.forget(job)
        assert await starts.of(job) == 0
        assert await count(admin, f"KV_{topology.STARTS_BUCKET}") == 1
        await starts.forget(job)
        assert await starts.of(kept) == 1
