"""What KEDA asks nats-server while it is under load: the lag of the consumer `worker`, by the manifests' own words."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import msgspec

from contract.bus import Bus
from contract.topology import JobName
from tests.support.embedded import Embedded

MANIFEST = Path(__file__).parents[3] / "deploy" / "kubernetes" / "base" / "worker.yaml"
JOBS = 400


def trigger() -> dict[str, str]:
    text = MANIFEST.read_text(encoding="utf-8")
    scaled = next(part for part in text.split("\n---\n") if "kind: ScaledObject" in part)
    found: dict[str, str] = msgspec.yaml.decode(scaled)["spec"]["triggers"][0]["metadata"]
    return found


def lag_in(page: Any, asked: dict[str, str]) -> int:
    """As KEDA's scaler `nats-jetstream` reads it: what waits for the consumer, and what it has handed out."""
    [account] = [one for one in page["account_details"] if one["name"] == asked["account"]]
    [stream] = [one for one in account["stream_detail"] if one["name"] == asked["stream"]]
    [consumer] = [one for one in stream["consumer_detail"] if one["name"] == asked["consumer"]]
    return int(consumer["num_pending"]) + int(consumer["num_ack_pending"])


async def test_the_scaler_sees_every_job_that_waits_or_runs_while_jobs_come(tmp_path: Path) -> None:
    asked = trigger()
    embedded = Embedded(tmp_path, max_queue_size=JOBS)
    async with embedded.running() as bus, httpx.AsyncClient(trust_env=False) as http:
        query = f"{embedded.monitoring}/jsz?acc={asked['account']}&consumers=true&config=true"

        async def lag() -> int:
            response = await http.get(query)
            assert len(response.content) < 64 * 1024, "its size does not grow with the queue"
            return lag_in(response.json(), asked)

        assert await lag() == 0
        filling = asyncio.create_task(filled(bus))
        seen = []
        while not filling.done():
            seen.append(await lag())
        await filling
        assert seen == sorted(seen)
        assert await lag() == JOBS
    assert JOBS // int(asked["lagThreshold"]) >= 3


async def filled(bus: Bus) -> None:
    for number in range(JOBS):
        name = JobName("http", "local", f"00000000-0000-7000-8000-{number:012}")
        await bus.publish_job(name, b'{"query": "Who?"}', {})
