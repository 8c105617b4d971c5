"""OpenAI's API on a real bus: what reaches the worker, and what comes back when things go wrong."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from contract.messages import Turn
from contract.rate import Rate
from tests.integration.ingress.test_http import LIMIT, Ingress, serving
from tests.support.engines import Narrow, Noting, Stumbling
from tests.support.nats_server import RunningServer
from tests.support.worker_side import working

USER = {"role": "user", "content": "one two"}


@pytest.fixture
async def ingress(server: RunningServer) -> AsyncIterator[Ingress]:
    async with serving(server) as ingress:
        yield ingress


async def chat(ingress: Ingress, *turns: dict[str, Any], **fields: Any) -> httpx.Response:
    body = {"model": "docqa", "messages": [*turns, USER], **fields}
    return await ingress.http.post("/v1/chat/completions", json=body)


def events_of(response: httpx.Response) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: {")]
    return [json.loads(line) for line in lines]


async def test_the_worker_gets_the_turns_without_what_was_added_to_them(
    server: RunningServer, ingress: Ingress
) -> None:
    engine = Noting()
    before = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "Who?"},
        {"role": "assistant", "content": "Ada.\n\nThe documents don't seem to say this.\n\nSources:\n[1] a.txt: “Ada”"},
    ]
    async with working(server, engine):
        response = await chat(ingress, *before, stop="END", max_completion_tokens=7, temperature=0.5, seed=-1)
    assert response.status_code == 200, response.text
    (query,) = engine.asked
    assert query.turns == [Turn("system", "Be brief."), Turn("user", "Who?"), Turn("assistant", "Ada.")]
    assert (query.query, query.stop, query.max_tokens, query.temperature) == ("one two", ["END"], 7, 0.5)
    assert (query.seed, query.v) == (2**32 - 1, 2)


async def test_a_chat_of_one_message_is_the_same_job_as_a_question(server: RunningServer, ingress: Ingress) -> None:
    engine = Noting()
    async with working(server, engine):
        await chat(ingress, max_tokens=128)
        await ingress.ask("one two")
    first, second = engine.asked
    assert (first.v, first.query, first.max_tokens, first.messages) == (
        second.v,
        second.query,
        second.max_tokens,
        second.messages,
    )


@pytest.mark.parametrize("stream", [False, True])
async def test_what_does_not_fit_the_model_is_a_400_with_both_sizes(
    server: RunningServer, ingress: Ingress, stream: bool
) -> None:
    async with working(server, Narrow()):
        response = await chat(ingress, stream=stream)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (400, "context_length_exceeded", "messages")
    assert (error["prompt_tokens"], error["limit_tokens"]) == (9000, 8000)
    assert "maximum context length" in error["message"]
    assert "9000" in error["message"]
    assert "8000" in error["message"]


async def test_a_stream_whose_next_attempt_says_something_else_ends_with_an_error(
    server: RunningServer, ingress: Ingress
) -> None:
    async with working(server, Stumbling()):
        response = await chat(ingress, stream=True)
    assert response.status_code == 200
    *pieces, last = events_of(response)
    assert "".join(piece["choices"][0]["delta"]["content"] for piece in pieces) == "Wrong"
    assert last["error"]["code"] == "answer_changed"
    assert "[DONE]" not in response.text


async def test_a_body_that_is_too_large_is_refused_in_the_same_form(ingress: Ingress) -> None:
    response = await chat(ingress, {"role": "user", "content": "x" * (LIMIT + 1)})
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["limit_bytes"]) == (413, "body_too_large", LIMIT)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"model": "docqa"}', b"\xff", b'{"model": "docqa", "messages": []}']
)
async def test_what_is_no_chat_is_a_400(ingress: Ingress, body: bytes) -> None:
    response = await ingress.http.post(
        "/v1/chat/completions", content=body, headers={"Content-Type": "application/json"}
    )
    assert (response.status_code, response.json()["error"]["type"]) == (400, "invalid_request_error")


async def test_a_clients_rate_is_one_for_both_apis(server: RunningServer) -> None:
    async with serving(server, rate_limit=Rate("2/hour")) as ingress, working(server, Noting()):
        first, second = await chat(ingress), await ingress.ask("one two")
        third = await chat(ingress)
    assert [first.status_code, second.status_code, third.status_code] == [200, 200, 429]
    assert third.json()["error"]["code"] == "rate_limit_exceeded"
    assert int(third.headers["retry-after-ms"]) == 1000 * int(third.headers["retry-after"])


async def test_without_the_bus_a_chat_is_a_server_error_with_a_time(ingress: Ingress) -> None:
    await ingress.services.bus.close()
    response = await chat(ingress)
    assert (response.status_code, response.json()["error"]["type"]) == (503, "server_error")
    assert response.headers["retry-after"]
