"""An answer as server-sent events."""

import json
import signal
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from contract import topology
from contract.messages import TokenEvent, encode
from contract.topology import JobName
from tests.support.client import Client, problem
from tests.support.stack import Stack, Start
from tests.support.waiting import eventually

EVENTS = {"Accept": "text/event-stream"}

Event = tuple[str, dict[str, Any]]


async def events_of(response: httpx.Response) -> AsyncIterator[Event]:
    """Each event's name and data; comments and positions in the queue are passed over."""
    async for name, data in all_events_of(response):
        if name != "queued":
            yield name, data


async def all_events_of(response: httpx.Response) -> AsyncIterator[Event]:
    name = ""
    async for line in response.aiter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


async def all_events(client: Client, query: str, **fields: Any) -> list[Event]:
    body = {"query": query, **fields}
    async with client.http.stream("POST", "/api/query", json=body, headers=EVENTS) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        return [event async for event in events_of(response)]


async def test_every_piece_is_an_event_and_the_result_is_the_last(echo: Stack) -> None:
    async with echo.client() as client:
        *tokens, (name, result) = await all_events(client, "one two three four")
    assert [token for token, _ in tokens] == ["token"] * 4
    assert [data["index"] for _, data in tokens] == [0, 1, 2, 3]
    assert name == "result"
    assert "".join(data["text"] for _, data in tokens) == result["answer"] == "one two three four"
    assert result["status"] == "done"


@pytest.mark.model
async def test_the_first_tokens_event_comes_before_the_last_token_is_made(model: Stack) -> None:
    query = {"query": "Tell a long story about a goblin and a lamp.", "max_tokens": 48}
    async with (
        model.client() as client,
        client.http.stream("POST", "/api/query", json=query, headers=EVENTS) as response,
    ):
        events = events_of(response)
        name, _ = await anext(events)
        assert name == "token"
        location = response.headers["location"]
        assert (await client.http.get(location)).json()["status"] == "running"
        assert [name async for name, _ in events][-1] == "result"


async def test_a_failure_ends_the_stream_as_an_error(echo: Stack) -> None:
    async with echo.client() as client:
        ((name, error),) = await all_events(client, "too late", deadline_s=0.05)
    assert name == "error"
    assert (error["type"], error["status"]) == ("deadline-exceeded", 504)


async def test_a_refusal_is_a_response_and_no_stream(echo: Stack) -> None:
    async with echo.client() as client:
        response = await client.http.post("/api/query", json={"query": 1}, headers=EVENTS)
    problem(response, 400)


async def test_a_question_that_waits_hears_its_position_before_its_first_token(start: Start) -> None:
    stack = start(slots=1, echo_delay_s=2)
    async with stack.client() as client:
        await client.submit("first")
        await client.submit("second")
        body = {"query": "third"}
        async with client.http.stream("POST", "/api/query", json=body, headers=EVENTS) as response:
            events = [event async for event in all_events_of(response)]
    assert [name for name, _ in events if name != "queued"] == ["token", "result"]
    positions = [data["position"] for name, data in events if name == "queued"]
    assert positions
    assert positions == sorted(set(positions), reverse=True)
    assert all(data["expected_s"] > 0 for name, data in events if name == "queued")


async def test_a_hang_up_on_the_stream_cancels_the_job(start: Start) -> None:
    stack = start(echo_delay_s=30)
    async with stack.client() as client:
        async with client.http.stream("POST", "/api/query", json={"query": "gone"}, headers=EVENTS) as response:
            job_id = response.headers["location"].rsplit("/", 1)[1]
        job = await client.finished(job_id)
    assert job["code"] == "cancelled"


async def test_an_attempt_that_begins_anew_is_told_as_a_restart(start: Start) -> None:
    stack = start(echo_delay_s=3)
    body = {"query": "a b"}
    async with (
        stack.client() as client,
        stack.bus() as bus,
        client.http.stream("POST", "/api/query", json=body, headers=EVENTS) as response,
    ):
        job = JobName(topology.HTTP_PUBLISHER, "local", response.headers["location"].rsplit("/", 1)[1])
        # What a worker said before it was killed.
        await bus.publish(job.tokens_subject, encode(TokenEvent(0, 0, "lost")))
        names = [name async for name, _ in events_of(response)]
    assert names == ["token", "restart", "token", "token", "result"]


async def test_a_stopping_ingress_ends_the_stream_and_says_where_the_result_will_be(start: Start) -> None:
    stack = start(echo_delay_s=3)
    async with stack.client() as client:
        async with client.http.stream("POST", "/api/query", json={"query": "still there"}, headers=EVENTS) as response:
            stack.signal("ingress", signal.SIGTERM)
            events = [event async for event in events_of(response)]
        (name, where) = events[-1]
        assert name == "accepted"
        async with stack.client() as again:

            async def result() -> dict[str, Any] | None:
                response = await again.http.get(where["location"])
                return response.json() if response.status_code == 200 and response.json()["status"] == "done" else None

            job = await eventually(result, "the result is where the stream said")
    assert job["status"] == "done"
