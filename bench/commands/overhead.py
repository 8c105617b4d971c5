"""The overhead of the message bus: accepting, refusing and answering, each compared with a minimal alternative.

Every figure is a ratio to a baseline in the same run, or is stored with the machine that it was measured on.
"""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import nats
import psutil
from uuid_utils import uuid7

from bench.harness import machine
from bench.harness.http_client import Outcome, closed_loop, post
from bench.targets.processes import folder, part
from contract.topology import HTTP_PUBLISHER, JobName

ROUNDS: Final = 3
IN_FLIGHT: Final = 16
ACCEPTED_A_ROUND: Final = 4000
REFUSED_A_ROUND: Final = 8000
BODY: Final = b'{"query":"How much notice must the tenant give?","context":"' + b"x" * 964 + b'"}'


async def measure() -> dict[str, Any]:
    """All figures, as one result."""
    async with folder() as work:
        ingress = await measure_ingress(work)
    async with folder() as work:
        whole = await measure_whole(work)
    return {"benchmark": "overhead", "machine": machine.describe(), **ingress, **whole}


async def measure_ingress(work: Path) -> dict[str, Any]:
    """Accepting and refusing, without a worker that would empty the queue."""
    size = ACCEPTED_A_ROUND * ROUNDS * 2 + 1000
    async with _bus(work, size) as (bus, environment), _bare(work) as bare, _ingress(work, environment) as ingress:
        accepted = [await _accept_beside_raw(bus, ingress) for _ in range(ROUNDS)]
    async with _bus(work, 1) as (_, environment), _bare(work) as bare, _ingress(work, environment) as ingress:
        await closed_loop(ingress, post("/api/query", BODY, {"Prefer": "respond-async"}), 1, 1)
        refused = [await _refuse_beside_bare(bare, ingress) for _ in range(ROUNDS)]
    return {"accepting": _with_median(accepted, "ratio"), "refusing": _with_median(refused, "ratio")}


async def measure_whole(work: Path) -> dict[str, Any]:
    """The whole system with an engine that answers at once, and with the real one when idle."""
    async with _up(work / "echo", "--engine", "echo", "--queue-size", "64") as (stack, _):
        one = await closed_loop(stack["uds"], post("/api/query", BODY), 500, 1)
        many = [await closed_loop(stack["uds"], post("/api/query", BODY), 2000, 32) for _ in range(ROUNDS)]
    async with _up(work / "llama") as (stack, ready_s):
        memory = {name: psutil.Process(pid).memory_info().rss // 2**20 for name, pid in stack["pids"].items()}
    async with _up(work / "llama") as (_, again_s):
        pass
    return {
        "one_in_flight": {"p50_ms": round(one.percentile_ms(0.5), 2), "p99_ms": round(one.percentile_ms(0.99), 2)},
        "in_flight_32": {"answers_per_s": [round(run.per_s) for run in many], "statuses": dict(many[0].statuses)},
        "up_to_ready_s": [round(ready_s, 2), round(again_s, 2)],
        "memory_idle_mib": memory,
    }


async def _accept_beside_raw(bus: dict[str, Any], ingress: str) -> dict[str, float]:
    raw = await _raw_publishes(bus)
    ours = await closed_loop(
        ingress, post("/api/query", BODY, {"Prefer": "respond-async"}), ACCEPTED_A_ROUND, IN_FLIGHT
    )
    _only(ours, 202)
    return {"raw_per_s": round(raw), "accepted_per_s": round(ours.per_s), "ratio": round(ours.per_s / raw, 3)}


async def _refuse_beside_bare(bare: str, ingress: str) -> dict[str, float]:
    request = post("/api/query", BODY)
    plain = await closed_loop(bare, request, REFUSED_A_ROUND, IN_FLIGHT)
    ours = await closed_loop(ingress, request, REFUSED_A_ROUND, IN_FLIGHT)
    _only(ours, 429)
    median_ms, p99_ms = ours.percentile_ms(0.5), ours.percentile_ms(0.99)
    return {
        "bare_per_s": round(plain.per_s),
        "refused_per_s": round(ours.per_s),
        "ratio": round(ours.per_s / plain.per_s, 3),
        "median_ms": round(median_ms, 2),
        "p99_ms": round(p99_ms, 2),
        "p99_over_median": round(p99_ms / median_ms, 2),
    }


async def _raw_publishes(bus: dict[str, Any]) -> float:
    """Awaited nats-py publishes per second, with as many in flight as the ingress gets connections."""
    password = (Path(bus["credentials"]) / "ingress").read_text().strip()
    client = await nats.connect(bus["nats_url"], user="ingress", password=password, inbox_prefix="_INBOX_ingress")
    stream = client.jetstream()
    left = iter(range(ACCEPTED_A_ROUND))

    async def publisher() -> None:
        for _ in left:
            await stream.publish(JobName(HTTP_PUBLISHER, "raw", str(uuid7())).subject, BODY)

    started_s = time.perf_counter()
    await asyncio.gather(*(publisher() for _ in range(IN_FLIGHT)))
    elapsed_s = time.perf_counter() - started_s
    await client.close()
    return ACCEPTED_A_ROUND / elapsed_s


@asynccontextmanager
async def _bus(work: Path, size: int) -> AsyncIterator[tuple[dict[str, Any], dict[str, str]]]:
    data_dir = work / f"data{size}"
    async with part(
        work, "nats", "-m", "ops", "nats", "--data-dir", str(data_dir), MAX_QUEUE_SIZE=str(size), DOCQA_NATS_URL=""
    ) as bus:
        password_file = str(Path(bus["credentials"]) / "ingress")
        yield bus, {"DOCQA_NATS_URL": bus["nats_url"], "DOCQA_NATS_PASSWORD_FILE": password_file}
    (work / "nats.json").unlink(missing_ok=True)


@asynccontextmanager
async def _ingress(work: Path, environment: dict[str, str]) -> AsyncIterator[str]:
    settings = {"DOCQA_UDS": str(work / "s"), "DOCQA_PORT": "0", "DOCQA_METRICS_ADDR": "127.0.0.1:0"}
    async with part(work, "ingress", "-m", "ingress", **settings, **environment) as ingress:
        await _until_ready(ingress["uds"])
        yield ingress["uds"]
    (work / "ingress.json").unlink(missing_ok=True)


async def _until_ready(uds: str) -> None:
    async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=uds), base_url="http://localhost") as client:
        while (await client.get("/health/ready")).status_code != 200:
            await asyncio.sleep(0.05)


@asynccontextmanager
async def _bare(work: Path) -> AsyncIterator[str]:
    """A minimal Litestar POST handler for the same body."""
    async with part(work, "bare", "-m", "bench.targets.bare_server", "--uds", str(work / "b")) as bare:
        yield bare["uds"]
    (work / "bare.json").unlink(missing_ok=True)


@asynccontextmanager
async def _up(data_dir: Path, *options: str) -> AsyncIterator[tuple[dict[str, Any], float]]:
    """A whole stack, and the seconds until it was ready."""
    data_dir.mkdir(exist_ok=True)
    started_s = time.monotonic()
    arguments = ("-m", "ops", "up", "--data-dir", str(data_dir), "--http", "127.0.0.1:0", *options)
    async with part(data_dir.parent, data_dir.name, *arguments) as stack:
        yield stack, time.monotonic() - started_s


def _only(outcome: Outcome, status: int) -> None:
    if set(outcome.statuses) != {status}:
        raise RuntimeError(f"expected only {status}, got {dict(outcome.statuses)}")


def _with_median(rounds: list[dict[str, float]], name: str) -> dict[str, Any]:
    return {f"median_{name}": statistics.median(figures[name] for figures in rounds), "rounds": rounds}
