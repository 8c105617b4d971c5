"""What a worker announces about itself, as the ingress receives it."""

import asyncio

import pytest

from contract import topology
from contract.bus import Bus
from contract.messages import decode_announcement
from inference_worker.engines.echo import EchoEngine
from inference_worker.jobs import heartbeat as heartbeat_module
from inference_worker.jobs.heartbeat import Heartbeat
from inference_worker.jobs.worker import Worker
from inference_worker.settings import WorkerSettings
from ingress.__main__ import request_announcements
from ingress.jobs.workers import Fleet
from tests.support.bus_side import TICK_S, overheard, settled
from tests.support.nats_server import RunningServer
from tests.support.waiting import eventually

WORKER_ID = "0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3"


def heartbeat_on(bus: Bus) -> Heartbeat:
    engine = EchoEngine(3)
    return Heartbeat(bus, engine, Worker(bus, engine, WorkerSettings(engine="echo")), WORKER_ID)


async def test_an_announcement_says_what_an_ingress_must_know(server: RunningServer, admin: Bus) -> None:
    async with overheard(admin, topology.WORKER_SUBJECTS) as heard, server.bus("worker") as bus:
        await heartbeat_on(bus).announce()
        await settled(bus)
    [message] = heard
    assert message.subject == f"docqa.workers.{WORKER_ID}"
    said = decode_announcement(message.data)
    assert (said.id, said.model, said.slots, said.busy, said.held) == (WORKER_ID, "echo", 3, 0, 0)
    assert (said.jobs_per_s, said.tokens_per_s, said.leaving) == (0.0, 0.0, False)
    assert (said.context_tokens, said.max_prompt_bytes) == (8192, 2**30)
    assert said.memory_bytes > 2**20


async def test_a_roll_call_is_answered_at_once_and_a_worker_that_leaves_is_gone(server: RunningServer) -> None:
    """By the services' own rights on the bus."""
    fleet = Fleet()
    async with server.bus("worker") as worker_bus, server.bus("ingress") as ingress_bus:
        heartbeat = heartbeat_on(worker_bus)
        await worker_bus.subscribe(topology.ROLL_CALL_SUBJECT, heartbeat.answer_roll_call)
        await settled(worker_bus)
        await ingress_bus.subscribe(topology.WORKER_SUBJECTS, fleet.on_message)
        await request_announcements(ingress_bus)

        async def has(number: int) -> bool:
            return len(fleet.live()) == number

        await eventually(lambda: has(1), "the worker is heard", 10, TICK_S)
        await heartbeat.announce(leaving=True)
        await eventually(lambda: has(0), "the worker is gone", 10, TICK_S)


async def test_a_running_heartbeat_goes_on_announcing(
    server: RunningServer, admin: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat_module, "TICK_S", 0.01)
    async with overheard(admin, topology.WORKER_SUBJECTS) as heard, server.bus("worker") as bus:
        running = asyncio.create_task(heartbeat_on(bus).run())

        async def heard_often() -> bool:
            return len(heard) >= 3

        await eventually(heard_often, "three announcements come", 10, TICK_S)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
