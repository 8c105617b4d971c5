"""A key makes a retry the same job."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import httpx
import pytest

from tests.support.client import Client, located_id, problem
from tests.support.stack import Stack, Start


@pytest.fixture
async def client(echo: Stack) -> AsyncIterator[Client]:
    async with echo.client() as client:
        yield client


async def post(client: Client, key: str, query: str, prefer: str = "") -> httpx.Response:
    headers = {"Idempotency-Key": key, **({"Prefer": prefer} if prefer else {})}
    return await client.http.post("/api/query", json={"query": query}, headers=headers)


async def test_tries_with_one_key_at_the_same_moment_are_one_job(client: Client) -> None:
    key = str(uuid4())
    answers = await asyncio.gather(*(post(client, key, "one question") for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    (job_id,) = {answer.json()["id"] for answer in answers}
    assert UUID(job_id).version == 8
    assert len({str(answer.json()) for answer in answers}) == 1


async def test_a_retry_after_the_end_gets_the_same_result_at_once(client: Client) -> None:
    key = str(uuid4())
    first = await post(client, key, "asked twice")
    again = await post(client, key, "asked twice", prefer="respond-async")
    assert again.status_code == 200
    assert again.json() == first.json()


async def test_a_key_with_another_body_is_refused_while_the_job_waits_and_after_it(client: Client) -> None:
    key = str(uuid4())
    accepted = await post(client, key, "the first body", prefer="respond-async")
    problem(await post(client, key, "another body"), 422, "key-reused")
    await client.finished(located_id(accepted))
    problem(await post(client, key, "another body"), 422, "key-reused")


async def test_other_keys_are_other_jobs(client: Client) -> None:
    first, second = [await post(client, str(uuid4()), "one question") for _ in range(2)]
    assert first.json()["id"] != second.json()["id"]


@pytest.mark.parametrize("key", ["", "with space", "é", "x" * 256])
async def test_what_can_be_no_key_is_refused_by_name(client: Client, key: str) -> None:
    headers = {b"Idempotency-Key": key.encode()}
    response = await client.http.post("/api/query", json={"query": "q"}, headers=headers)
    assert "Idempotency-Key" in problem(response, 400)["detail"]


async def test_a_hang_up_does_not_cancel_a_keyed_job(client: Client) -> None:
    key = str(uuid4())
    with pytest.raises(httpx.ReadTimeout):
        await client.http.post("/api/query", json={"query": "gone"}, headers={"Idempotency-Key": key}, timeout=0.1)
    response = await post(client, key, "gone")
    assert response.status_code == 200


async def test_a_keyed_try_while_the_bus_hangs_is_told_to_come_back(start: Start) -> None:
    stack = start()
    async with stack.client() as client:
        async with stack.paused("nats"):
            refused = await post(client, "hangs", "asked while nothing answers")
        problem(refused, 503, "bus-unavailable")
        assert (await post(client, "hangs", "asked while nothing answers")).status_code == 200
