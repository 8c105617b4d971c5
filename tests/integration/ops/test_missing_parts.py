"""Streams, buckets and consumers that somebody deleted from a bus that runs."""

import pytest

from contract import topology
from contract.bus import Bus, api
from contract.settings import QueueSettings
from inference_worker.engines.echo import EchoEngine
from ops.nats.missing import make_anew
from tests.support.bus_side import is_gone, publish, result_of
from tests.support.nats_server import RunningServer
from tests.support.worker_side import working


async def test_of_a_whole_bus_nothing_is_made_anew(admin: Bus) -> None:
    assert await make_anew(admin, QueueSettings()) == []


@pytest.mark.parametrize(
    "stream",
    [topology.IMPORTS_STREAM, topology.READ_STREAM, *map(api.bucket_stream, ("DOCQA_STARTS", "DOCQA_RESULTS"))],
)
async def test_a_stream_that_was_deleted_is_made_anew(admin: Bus, stream: str) -> None:
    await admin.js.delete_stream(stream)
    assert await make_anew(admin, QueueSettings()) == [stream]
    assert await make_anew(admin, QueueSettings()) == []


async def test_a_job_that_waited_is_answered_once_its_consumer_is_there_again(
    server: RunningServer, admin: Bus
) -> None:
    job = await publish(admin)
    await admin.js.delete_consumer(topology.JOBS_STREAM, topology.WORKER_DURABLE)
    assert await make_anew(admin, QueueSettings()) == [topology.WORKER_DURABLE]
    async with working(server, EchoEngine(2)):
        await is_gone(admin, job)
    assert await result_of(admin, job)
