"""The list of one publisher's jobs, by the ingress's own rights."""

import pytest

from contract.bus import Bus
from contract.bus.client import JobsOnStream
from contract.errors import BusUnavailableError, NotProvisionedError
from tests.support.bus_side import new_job, publish
from tests.support.nats_server import RunningServer


async def test_all_jobs_of_a_publisher_are_listed_with_the_queues_bound(server: RunningServer, admin: Bus) -> None:
    jobs = [await publish(admin, job=new_job("http", client)) for client in ("a", "b", "b")]
    await publish(admin, job=new_job("alice", "a"))
    async with server.bus("ingress") as bus:
        listed = await bus.jobs_of("http")
    assert listed == JobsOnStream(10, frozenset(f"{job.client}.{job.job_id}" for job in jobs))


async def test_without_jobs_the_list_is_empty(server: RunningServer) -> None:
    async with server.bus("ingress") as bus:
        assert await bus.jobs_of("http") == JobsOnStream(10, frozenset())


async def test_what_cant_be_listed_is_an_error_of_our_own(bare_server: RunningServer) -> None:
    async with bare_server.bus("admin") as bus:
        with pytest.raises(NotProvisionedError):
            await bus.jobs_of("http")
        await bus.close()
        with pytest.raises(BusUnavailableError):
            await bus.jobs_of("http")
