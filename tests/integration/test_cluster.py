"""A cluster of three nats-servers, as `docqa cluster` configures it: copies, kills, and TLS between all."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

from bench.cluster import Cluster, clustered, workers
from contract import topology
from contract.bus import Bus
from tests.acceptance.waiting import eventually
from tests.integration.bus_side import publish

QUEUE = 50


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    issued = authority.issue_cert("127.0.0.1", "localhost")
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "bus.pem"))
    issued.private_key_pem.write_to_path(str(tmp_path / "bus.key"))
    async with clustered(tmp_path, QUEUE, certificates=tmp_path) as running:
        yield running


async def leader_of(bus: Bus, stream: str) -> int:
    reply = json.loads(await bus.request(f"$JS.API.STREAM.INFO.{stream}", b""))
    return int(reply["cluster"]["leader"].removeprefix("docqa-"))


async def test_with_its_leader_killed_the_cluster_goes_on_and_every_accepted_job_is_answered(
    cluster: Cluster, tmp_path: Path
) -> None:
    async with cluster.bus() as bus:
        copies = {info.config.name: info.config.num_replicas for info in await bus.js.streams_info()}
        assert len(copies) > 3
        assert set(copies.values()) == {3}, copies
        jobs = [await publish(bus) for _ in range(10)]
        await cluster.kill_server(await leader_of(bus, topology.JOBS_STREAM))
        async with workers(tmp_path, cluster, count=2, slots=4, delay_s=0.05):
            for job in jobs:

                async def is_answered(key: str = job.key) -> bool:
                    return await bus.results.get(key) is not None

                await eventually(is_answered, f"{job.key} is answered", timeout_s=60)

            async def is_empty() -> bool:
                return (await bus.queue_state()).depth == 0

            await eventually(is_empty, "every place is given back", timeout_s=30)
