"""The nats-server is killed, stays down for a while, and comes back."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator

import pytest

from contract import topology
from tests.support.client import Client, problem, retry_after_s
from tests.support.ledger import Ledger, answered, is_running, stored_results
from tests.support.stack import Stack, Start
from tests.support.waiting import eventually

AWAY_S = float(os.environ.get("ACCEPTANCE_AWAY_S", "6"))
AT_ONCE_S = 1.0


@pytest.mark.slow
async def test_while_the_bus_is_away_posts_are_refused_at_once_and_never_become_ghosts(start: Start) -> None:
    """Ingress and worker go on by themselves, and a job that ran when the bus went keeps its answer."""
    stack = start(queue_size=20, slots=4, echo_delay_s=1.0)
    ledger = Ledger()
    pids = stack.pid("ingress"), stack.pid("worker")
    async with stack.client() as client:
        async with stack.bus() as bus:
            for number in range(6):
                ledger.note(await client.post(f"Before {number}?"))
            await is_running(bus)
        async with _nats_away(stack):
            await eventually(lambda: _is(client, "unhealthy"), "/health says unhealthy", timeout_s=5)
            end = time.monotonic() + AWAY_S
            while time.monotonic() < end:
                await _is_refused_at_once(client)
                await asyncio.sleep(0.2)
            assert (await client.http.get("/health/live")).status_code == 200
            assert (await client.http.get("/health/ready")).status_code == 503
        await eventually(lambda: _is(client, "healthy"), "/health says healthy")
        ledger.note(await client.ask("After?"))
        async with stack.bus() as bus:
            results = await ledger.settled(bus)
            ever_stored = (await bus.js.stream_info(topology.JOBS_STREAM)).state.last_seq
    answered(results, ledger.accepted)
    assert len(ledger.accepted) == len(ledger.answers) + 6 == 7
    assert ever_stored == len(ledger.accepted), "a refused question was sent later"
    assert (stack.pid("ingress"), stack.pid("worker")) == pids


async def test_a_killed_nats_server_comes_back_with_all_that_was_waiting(start: Start) -> None:
    stack = start(queue_size=20, slots=2, echo_delay_s=0.5)
    ledger = Ledger()
    async with stack.client() as client:
        for number in range(8):
            ledger.note(await client.post(f"Question {number}?"))
        await stack.alive("nats", not_pid=await stack.kill("nats"))
        async with stack.bus() as bus:
            results = await ledger.settled(bus)
    assert len(ledger.accepted) == 8
    answered(results, ledger.accepted)


async def test_a_result_that_was_stored_while_the_ingress_was_cut_off_reaches_its_waiting_client(
    start: Start,
) -> None:
    """Its live reply is lost: the bucket is read after the reconnect, long before the wait runs out."""
    stack = start(queue_size=5, slots=1, echo_delay_s=1.0, environment={"DOCQA_SYNC_WAIT_S": "60"})
    async with stack.client() as client, stack.bus() as bus:

        async def is_stored() -> bool:
            return bool(await stored_results(bus))

        waiting = asyncio.create_task(client.ask("Who waits?"))
        await is_running(bus)
        async with stack.paused("ingress"):
            await stack.alive("nats", not_pid=await stack.kill("nats"))
            await eventually(is_stored, "the result is stored")
        async with asyncio.timeout(20):
            response = await waiting
    assert response.status_code == 200


@contextlib.asynccontextmanager
async def _nats_away(stack: Stack) -> AsyncIterator[None]:
    """Killed, and not started again: its supervisor is stopped meanwhile."""
    os.kill(stack.up_pid, signal.SIGSTOP)
    try:
        pid = stack.signal("nats", signal.SIGKILL)
        yield
    finally:
        os.kill(stack.up_pid, signal.SIGCONT)
    await stack.alive("nats", not_pid=pid)


async def _is(client: Client, status: str) -> bool:
    health = await client.health()
    assert health["http_status"] == (503 if health["status"] == "unhealthy" else 200)
    return bool(health["status"] == status)


async def _is_refused_at_once(client: Client) -> None:
    began = time.monotonic()
    response = await client.ask("Is the bus there?")
    assert time.monotonic() - began < AT_ONCE_S
    problem(response, 503, "bus-unavailable")
    retry_after_s(response)
    assert "location" not in response.headers
