"""The proxy's budget on a real nats-server: never exceeded, with concurrent calls and killed workers too."""

import asyncio
import contextlib
import re
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contract.bus import Bus
from contract.errors import BudgetExhaustedError, BusError
from contract.usage_records import BudgetDay, day_of, decode, encode
from inference_worker.proxy.budget import Budget
from tests.support.bus_side import paused
from tests.support.nats_server import RunningServer
from tests.support.spender import CALLS, MOST
from tests.support.waiting import eventually

LIMIT = 9000
KILLS = 3


@pytest.fixture
async def worker(server: RunningServer) -> AsyncIterator[Bus]:
    """By the worker's own rights."""
    async with server.bus("worker") as bus:
        yield bus


async def spent(bus: Bus, day: str | None = None) -> BudgetDay:
    entry = await bus.budget.get(day or day_of(datetime.now(UTC)))
    return decode(entry.value if entry else None, BudgetDay)


@contextlib.asynccontextmanager
async def spending(server: RunningServer, output: Path) -> AsyncIterator["asyncio.subprocess.Process"]:
    """A process that spends."""
    password = server.credentials.read("worker")
    command = [sys.executable, "-m", "tests.support.spender", server.url, password, str(LIMIT)]
    with output.open("ab") as file:
        process = await asyncio.create_subprocess_exec(*command, stdout=file)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_fifty_at_once_in_two_processes_that_are_killed_never_exceed_the_budget(
    server: RunningServer, worker: Bus, tmp_path: Path
) -> None:
    output = tmp_path / "spent"
    for _ in range(KILLS):
        before = (await spent(worker)).charged_tokens
        async with spending(server, output) as one, spending(server, output) as two:

            async def have_spent(least: int = before) -> bool:
                return (await spent(worker)).charged_tokens > least

            await eventually(have_spent, "they spend", every_s=0.01)
            for process in (one, two):
                process.send_signal(signal.SIGKILL)
    left = (await spent(worker)).reserved_tokens
    assert 0 < left <= KILLS * 2 * CALLS * MOST
    async with spending(server, output) as one, spending(server, output) as two:
        assert (await one.wait(), await two.wait()) == (0, 0)
    day = await spent(worker)
    cost = sum(int(number) for number in re.findall(rb"spent (\d+)", output.read_bytes()))
    assert cost <= day.used_tokens <= LIMIT
    # All but what is held for calls that were killed was spent.
    assert day.used_tokens > LIMIT - MOST
    assert day.reserved_tokens == left


async def test_a_new_day_begins_at_midnight_in_utc_and_a_call_counts_where_it_began(worker: Bus) -> None:
    clock = [datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC)]
    budget = Budget(worker.budget, 100, lambda: clock[0])
    late = await budget.reserve(80)
    with pytest.raises(BudgetExhaustedError) as raised:
        await budget.reserve(30)
    assert raised.value.resets_at == datetime(2026, 3, 2, tzinfo=UTC)
    clock[0] = datetime(2026, 3, 2, tzinfo=UTC)
    early = await budget.reserve(90)
    await budget.settle(late, 50)
    await budget.settle(early, 20)
    assert await spent(worker, "2026-03-01") == BudgetDay(limit_tokens=100, charged_tokens=50)
    assert await spent(worker, "2026-03-02") == BudgetDay(limit_tokens=100, charged_tokens=20)


async def test_what_can_not_be_settled_stays_counted(server: RunningServer, worker: Bus) -> None:
    budget = Budget(worker.budget, 100)
    reservation = await budget.reserve(70)
    async with paused(server):
        await budget.settle(reservation, 10)

    async def answers() -> bool:
        # The write may have reached the server before it stood still, but was never tried twice.
        return (await spent(worker)).used_tokens in (70, 10)

    await eventually(answers, "the bus is back")


async def test_a_count_that_can_not_be_read_lets_nobody_in(worker: Bus) -> None:
    """It may have been written by a newer version."""
    await worker.budget.create(day_of(datetime.now(UTC)), b'{"charged_tokens": "many"}')
    with pytest.raises(BusError, match="can't be read"):
        await Budget(worker.budget, 100).reserve(1)


async def test_a_lower_budget_than_what_is_used_lets_nobody_in(worker: Bus) -> None:
    await worker.budget.create(day_of(datetime.now(UTC)), encode(BudgetDay(charged_tokens=500)))
    with pytest.raises(BudgetExhaustedError, match="500 of 100"):
        await Budget(worker.budget, 100).reserve(1)
    await Budget(worker.budget, None).reserve(1)
    assert (await spent(worker)).used_tokens == 501
