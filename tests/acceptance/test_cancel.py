"""A job whose answer is no longer wanted: it was deleted, or its client hung up."""

import httpx
import pytest

from tests.support.client import located_id, problem
from tests.support.ledger import queue_is_empty
from tests.support.stack import Stack, Start

UNKNOWN = "00000000-0000-4000-8000-000000000000"


async def test_a_deleted_job_is_cancelled_and_its_place_is_free_at_once(start: Start) -> None:
    stack = start(echo_delay_s=60, queue_size=2, slots=1)
    async with stack.client() as client, stack.bus() as bus:
        running, waiting = [await client.submit(text) for text in ("running", "waiting")]
        for job_id in (waiting, running):
            deleted = await client.http.delete(f"/api/jobs/{job_id}")
            assert deleted.status_code == 202
            assert (await client.job(job_id))["code"] == "cancelled"
        await queue_is_empty(bus, 20)


async def test_deleting_a_finished_job_erases_its_text(echo: Stack) -> None:
    async with echo.client() as client, echo.bus() as bus:
        answer = (await client.ask("remember me")).json()
        path = f"/api/jobs/{answer['id']}"
        erased = await client.http.delete(path)
        assert (erased.status_code, erased.json()["code"]) == (200, "erased")
        assert (await client.http.get(path)).json()["code"] == "erased"
        entry = await bus.results.get(f"http.local.{answer['id']}")
        assert entry
        assert b"remember" not in entry.value
        assert (await client.http.delete(path)).status_code == 200


async def test_a_job_that_never_was_can_not_be_deleted(echo: Stack) -> None:
    async with echo.client() as client:
        for job_id in (UNKNOWN, "no-uuid", UNKNOWN.upper()):
            problem(await client.http.delete(f"/api/jobs/{job_id}"), 404, "no-such-job")


async def test_hanging_up_on_a_waiting_request_cancels_its_job(start: Start) -> None:
    stack = start(echo_delay_s=60, queue_size=1)
    async with stack.client() as client, stack.bus() as bus:
        with pytest.raises(httpx.ReadTimeout):
            await client.http.post("/api/query", json={"query": "gone"}, timeout=0.3)
        await queue_is_empty(bus, 20)


async def test_a_client_that_comes_back_is_not_cancelled_by_its_hang_up(echo: Stack) -> None:
    async with echo.client() as client:
        headers = {"Prefer": "respond-async, wait=5"}
        accepted = await client.submit("the first of two")
        with pytest.raises(httpx.ReadTimeout):
            await client.http.post("/api/query", json={"query": "the second"}, headers=headers, timeout=0.1)
        assert (await client.finished(accepted))["status"] == "done"


async def test_a_waiting_client_is_told_that_its_job_was_cancelled(start: Start) -> None:
    stack = start(echo_delay_s=60)
    async with stack.client() as client:
        headers = {"Prefer": "respond-async", "Idempotency-Key": "one"}
        job_id = located_id(await client.http.post("/api/query", json={"query": "q"}, headers=headers))
        assert (await client.http.delete(f"/api/jobs/{job_id}")).status_code == 202
        again = await client.http.post("/api/query", json={"query": "q"}, headers={"Idempotency-Key": "one"})
        problem(again, 409, "cancelled")
