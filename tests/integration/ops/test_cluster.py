"""A cluster of three nats-servers, as `docqa cluster` configures it: copies, kills, and TLS between all."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from bench.targets.cluster import Cluster, clustered, workers
from bench.targets.processes import clean_environment
from contract import topology
from contract.bus import Bus
from tests.support.bus_side import new_job, publish, result_of
from tests.support.waiting import eventually

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


async def docqa(cluster: Cluster, folder: Path, *arguments: str) -> dict[str, Any]:
    """`docqa backup` as the cluster's operator runs it."""
    settings = {"DOCQA_DATA_DIR": str(folder / "operator"), "DOCQA_REPLICAS": "3", "MAX_QUEUE_SIZE": str(QUEUE)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ops", "backup", *arguments, "--to", str(folder / "backups"), "--json"),
        env=clean_environment() | cluster.environment("admin") | settings,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, words = await process.communicate()
    assert process.returncode == 0, words.decode()
    said: dict[str, Any] = json.loads(out)
    return said


async def copies(bus: Bus) -> dict[str, int]:
    """Of each stream, as asked for."""
    return {info.config.name or "": info.config.num_replicas or 0 for info in await bus.js.streams_info()}


async def test_a_backup_of_a_cluster_is_whole_and_comes_back_with_three_copies(
    cluster: Cluster, tmp_path: Path
) -> None:
    async with cluster.bus() as bus:
        jobs = [await publish(bus) for _ in range(3)]
        await bus.results.create(new_job().key, b"an answer")
        made = await docqa(cluster, tmp_path, "create")
        assert made["verified"]
        counts = {name: count for name, count in made["streams"].items() if count}
        assert counts == {topology.JOBS_STREAM: 3, f"KV_{topology.RESULTS_BUCKET}": 1}
        assert (await docqa(cluster, tmp_path, "verify", "latest"))["streams"] == made["streams"]
        later = await publish(bus)
        restored = await docqa(cluster, tmp_path, "restore", made["file"], "--replace")
        assert restored["waiting"] == 3
        assert restored["before"], "what was there is saved first"
        assert set((await copies(bus)).values()) == {3}
        assert [bool(await bus.find_job(job)) for job in (*jobs, later)] == [True] * 3 + [False]
        async with workers(tmp_path, cluster, count=1, slots=4, delay_s=0.05):
            for job in jobs:
                assert (await result_of(bus, job)).id == job.job_id


async def test_with_its_leader_killed_the_cluster_goes_on_and_every_accepted_job_is_answered(
    cluster: Cluster, tmp_path: Path
) -> None:
    async with cluster.bus() as bus:
        found = await copies(bus)
        assert len(found) > 3
        assert set(found.values()) == {3}, found
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
