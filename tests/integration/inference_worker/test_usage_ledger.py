"""Counting answers by day and client on a real nats-server, and reading and clearing them as `docqa usage` does."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from contract.bus import Bus
from contract.messages import Usage
from contract.usage_records import Answers, ClientDay, decode
from inference_worker.engines.echo import EchoEngine
from inference_worker.jobs import usage_ledger
from inference_worker.jobs.usage_ledger import UsageLedger
from inference_worker.proxy.cache import AnswerCache
from ops.usage import days
from tests.integration.inference_worker.test_proxy import an_answer
from tests.support.bus_side import publish, result_of
from tests.support.nats_server import RunningServer
from tests.support.waiting import eventually
from tests.support.worker_side import working

DAY = "2026-03-01"
USAGE = Usage(30, 4)


def now() -> datetime:
    return datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
async def worker(server: RunningServer) -> AsyncIterator[Bus]:
    """By the worker's own rights."""
    async with server.bus("worker") as bus:
        yield bus


async def kept(bus: Bus, owner: str) -> ClientDay:
    entry = await bus.usage.get(f"{DAY}.{owner}")
    return decode(entry.value if entry else None, ClientDay)


async def test_answers_are_added_up_by_day_client_and_backend_over_all_workers(worker: Bus) -> None:
    ledgers = [UsageLedger(worker.usage, now) for _ in range(4)]
    for ledger in ledgers:
        ledger.count("http.a", "local", USAGE)
        ledger.count("http.a", "proxy", USAGE)
        ledger.count("http.b", "cache", USAGE)
        ledger.lose("http.b", 9)
    await asyncio.gather(*(ledger.close() for ledger in ledgers))
    assert await kept(worker, "http.a") == ClientDay(local=Answers(4, 120, 16), proxy=Answers(4, 120, 16))
    assert await kept(worker, "http.b") == ClientDay(cache=Answers(4, 120, 16), lost_tokens=36)


async def test_what_is_counted_while_the_bus_is_away_is_written_when_it_is_back(
    server: RunningServer, worker: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage_ledger, "PERIOD_S", 0.05)
    ledger = UsageLedger(worker.usage, now)
    server.stop()
    ledger.count("http.a", "local", USAGE)
    await ledger.flush()
    ledger.count("http.a", "local", USAGE)
    server.start()

    async def is_written() -> bool:
        return (await kept(worker, "http.a")).local.answers == 2

    await eventually(is_written, "both are written")
    await ledger.close()


async def test_each_answer_is_counted_for_its_owner(server: RunningServer, admin: Bus, worker: Bus) -> None:
    ledger = UsageLedger(worker.usage, now)
    async with working(server, EchoEngine(2), count_usage=ledger.count):
        job = await publish(admin, "two words")
        await result_of(admin, job)
    await ledger.close()
    assert await kept(worker, f"{job.publisher}.{job.client}") == ClientDay(local=Answers(1, 2, 2))


async def test_the_admin_reads_the_days_that_are_asked_for(server: RunningServer, worker: Bus) -> None:
    today = datetime.now(UTC)
    for ledger in (UsageLedger(worker.usage), UsageLedger(worker.usage, now)):
        ledger.count("http.a", "local", USAGE)
        await ledger.close()
    async with server.bus() as admin:
        found = await days.read(admin, 2)
    assert len(found.days) == len(found.budgets) == 2
    assert found.days[today.date().isoformat()] == {"http.a": ClientDay(local=Answers(1, 30, 4))}


async def test_the_cache_is_cleared_for_one_client_or_for_everybody(server: RunningServer, worker: Bus) -> None:
    cache, shared = AnswerCache(worker.cache, 60), AnswerCache(worker.cache, 60, is_shared=True)
    for owner in ("http.a", "alice.a", "http.b"):
        await cache.keep(owner, "f" * 64, an_answer())
    await shared.keep("http.a", "e" * 64, an_answer())
    async with server.bus() as admin:
        assert await days.clear_cache(admin, "a") == 2
        assert await cache.find("http.a", "f" * 64) is None
        assert await cache.find("http.b", "f" * 64)
        assert await shared.find("nobody.x", "e" * 64)
        assert await days.clear_cache(admin, days.EVERYBODY) == 2
        assert await days.clear_cache(admin, days.EVERYBODY) == 0


async def test_a_full_cache_lets_its_oldest_answers_go(worker: Bus, server: RunningServer) -> None:
    """A megabyte is the least that it may have."""
    async with server.bus() as admin:
        info = await admin.js.stream_info("KV_DOCQA_CACHE")
        await admin.js.update_stream(info.config.evolve(max_bytes=2**20))
    cache = AnswerCache(worker.cache, 60)
    for number in range(30):
        await cache.keep("http.a", f"{number:064x}", an_answer("x" * 50_000))
    assert await cache.find("http.a", f"{29:064x}")
    assert await cache.find("http.a", f"{0:064x}") is None
