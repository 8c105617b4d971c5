"""A worker in the test's own process, with an engine that the test commands."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from uuid_utils import uuid7

from contract import topology
from contract.bus import Bus
from inference_worker.engines.base import Engine
from inference_worker.jobs.heartbeat import Heartbeat
from inference_worker.jobs.worker import CountUsage, Worker, ignore_usage
from inference_worker.settings import WorkerSettings
from tests.support.bus_side import TICK_S
from tests.support.engines import Noting
from tests.support.nats_server import RunningServer
from tests.support.waiting import eventually


@contextlib.asynccontextmanager
async def working(
    server: RunningServer, engine: Engine, count_usage: CountUsage = ignore_usage, **settings: Any
) -> AsyncIterator[Worker]:
    """A worker that takes jobs while the block runs; then it gives back what it holds."""
    bus = Bus()
    worker = Worker(bus, engine, WorkerSettings(engine="echo", **settings), count_usage=count_usage)
    await bus.connect(server.settings_for("worker"), "worker", on_reconnect=worker.consumer.forget_pulls)
    await bus.clock.measure()
    heartbeat = Heartbeat(bus, engine, worker, str(uuid7()))
    await bus.subscribe(topology.CANCEL_SUBJECTS, worker.on_cancel)
    await bus.subscribe(topology.WORKER_SUBJECTS, heartbeat.others.on_message)
    loops = (worker.consumer.run(), worker.sweeper.run(), heartbeat.balance())
    # Without it the first loop that ends would end the wait for the others.
    running = asyncio.gather(*loops, return_exceptions=True)
    try:
        yield worker
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await worker.consumer.drain(0)
        await bus.close()


async def asked(engine: Noting, number: int = 1) -> None:
    """Wait until the engine was asked so often."""

    async def probe() -> bool:
        return len(engine.asked) >= number

    await eventually(probe, f"the engine is asked {number} times", 15, TICK_S)
