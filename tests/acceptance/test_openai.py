"""OpenAI's API as its official Python client uses it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI

from tests.support.callers import Callers
from tests.support.stack import Stack, Start
from tests.support.waiting import eventually

MODEL = "docqa"


@contextlib.asynccontextmanager
async def client_of(stack: Stack, key: str = "none", **options: Any) -> AsyncIterator[AsyncOpenAI]:
    """The official client, pointed at a stack as `docqa up` says."""
    http = openai.DefaultAsyncHttpxClient(trust_env=False)
    async with AsyncOpenAI(base_url=f"{stack.ready().http}/v1", api_key=key, http_client=http, **options) as one:
        yield one


def said(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


async def test_a_chat_is_answered_and_found_among_the_jobs(echo: Stack) -> None:
    async with client_of(echo) as client, echo.client() as own:
        answer = await client.chat.completions.create(model=MODEL, messages=said("one two three"))
        job = await own.job(answer.id.removeprefix("chatcmpl-"))
    assert answer.choices[0].message.content == "one two three" == job["answer"]
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == MODEL
    assert answer.usage
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens == 6


async def test_a_stream_brings_the_text_in_pieces_and_the_usage_last(echo: Stack) -> None:
    async with client_of(echo) as client:
        stream = await client.chat.completions.create(
            model=MODEL, messages=said("one two three"), stream=True, stream_options={"include_usage": True}
        )
        *pieces, last, usage = [chunk async for chunk in stream]
    assert [piece.choices[0].delta.content for piece in pieces] == ["", "one", " two", " three"]
    assert pieces[0].choices[0].delta.role == "assistant"
    assert last.choices[0].finish_reason == "stop"
    assert (usage.choices, usage.usage and usage.usage.completion_tokens) == ([], 3)


async def test_several_turns_are_taken_and_the_last_one_is_answered(echo: Stack) -> None:
    turns: list[Any] = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Who?"}]},
        {"role": "assistant", "content": "Ada."},
        {"role": "user", "content": [{"type": "text", "text": "And"}, {"type": "text", "text": "when?"}]},
    ]
    async with client_of(echo) as client:
        answer = await client.chat.completions.create(model=MODEL, messages=turns, stop="END", seed=-1, temperature=1)
    assert answer.choices[0].message.content == "And when?"


async def test_null_is_not_set_and_unknown_fields_are_passed_over(echo: Stack) -> None:
    body = {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Who?", "name": "x"}],
        **dict.fromkeys(("max_tokens", "temperature", "top_p", "seed", "stop", "stream", "n", "tools", "logprobs")),
        "response_format": None,
        "frequency_penalty": 0.5,
        "user": "somebody",
    }
    async with echo.client() as own:
        response = await own.http.post("/v1/chat/completions", json=body)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"n": 2}, "n", "unsupported_parameter"),
        ({"logprobs": True}, "logprobs", "unsupported_parameter"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools", "unsupported_parameter"),
        ({"temperature": 3}, "temperature", "bad_request"),
        ({"max_tokens": "many"}, "max_tokens", "bad_request"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]},
            "messages[0].content[0].type",
            "unsupported_content",
        ),
        ({"messages": [{"role": "assistant", "content": "Ada."}]}, "messages", "bad_request"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "number?"}}}},
            "response_format",
            "bad_request",
        ),
        ({"documents": ["lease.pdf"]}, "documents[0]", "bad_request"),
    ],
)
async def test_what_can_not_be_done_is_refused_by_name(
    echo: Stack, fields: dict[str, Any], param: str, code: str
) -> None:
    body = {"model": MODEL, "messages": said("Who?"), **fields}
    for stream in (False, True):
        async with echo.client() as own:
            response = await own.http.post("/v1/chat/completions", json={**body, "stream": stream})
        error = response.json()["error"]
        assert (response.status_code, error["type"]) == (400, "invalid_request_error"), error
        assert (error["param"], error["code"]) == (param, code), error


async def test_tools_that_are_not_to_be_used_are_no_hindrance(echo: Stack) -> None:
    tools: list[Any] = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    async with client_of(echo) as client:
        answer = await client.chat.completions.create(
            model=MODEL, messages=said("Who?"), tools=tools, tool_choice="none"
        )
    assert answer.choices[0].message.content == "Who?"


async def test_an_unknown_model_is_not_found_and_the_plain_one_is_listed(echo: Stack) -> None:
    async with client_of(echo) as client:
        assert MODEL in [model.id async for model in client.models.list()]
        assert (await client.models.retrieve(MODEL)).id == MODEL
        with pytest.raises(openai.NotFoundError) as found:
            await client.chat.completions.create(model="gpt-4o", messages=said("Who?"))
    assert (found.value.code, found.value.param) == ("model_not_found", "model")


async def test_a_path_that_is_not_there_and_a_wrong_method_are_errors_in_the_same_form(echo: Stack) -> None:
    async with echo.client() as own:
        responses = [await own.http.get("/v1/nothing"), await own.http.get("/v1/chat/completions")]
    assert [response.status_code for response in responses] == [404, 405]
    assert all(response.json()["error"]["message"] for response in responses)


async def test_without_a_valid_key_the_client_gets_an_authentication_error(start: Start, tmp_path: Any) -> None:
    callers = Callers(tmp_path)
    token = callers.create("alice")
    stack = start(environment={"DOCQA_TOKENS": str(callers.path)})
    async with client_of(stack, token) as client:
        assert (await client.chat.completions.create(model=MODEL, messages=said("Who?"))).choices
    async with client_of(stack, "wrong") as client:
        with pytest.raises(openai.AuthenticationError) as found:
            await client.chat.completions.create(model=MODEL, messages=said("Who?"))
    assert found.value.code == "invalid_api_key"


async def test_a_full_queue_is_a_rate_limit_error_with_its_time_before_the_first_byte(start: Start) -> None:
    stack = start(queue_size=1, slots=1, echo_delay_s=30)
    async with stack.client() as own, client_of(stack, max_retries=0) as client:
        await own.submit("first")
        for stream in (False, True):
            with pytest.raises(openai.RateLimitError) as found:
                await client.chat.completions.create(model=MODEL, messages=said("second"), stream=stream)
            headers = found.value.response.headers
            assert found.value.code == "rate_limit_exceeded"
            assert int(headers["retry-after-ms"]) == 1000 * int(headers["retry-after"])
            assert 1 <= int(headers["retry-after"]) <= 60


@pytest.mark.slow
async def test_a_spike_of_fifty_is_answered_by_the_clients_own_retries(start: Start) -> None:
    # Short answers: on a busy machine longer ones fall behind the told times, and clients come back twice only.
    stack = start(queue_size=16, slots=4, echo_delay_s=0.05)

    async def one(number: int) -> str | None:
        answer = await client.chat.completions.create(model=MODEL, messages=said(f"question {number}"))
        return answer.choices[0].message.content

    async with client_of(stack) as client:
        answers = await asyncio.gather(*map(one, range(50)), return_exceptions=True)
    refused = [answer for answer in answers if not isinstance(answer, str)]
    assert len(refused) <= 2
    assert all(isinstance(one, openai.RateLimitError) and one.response.headers["retry-after"] for one in refused)
    assert all(answer == f"question {number}" for number, answer in enumerate(answers) if answer not in refused)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_goes_away_cancels_its_job(start: Start, stream: bool) -> None:
    stack = start(echo_delay_s=30)
    body = {"model": MODEL, "messages": said("gone"), "stream": stream}
    async with stack.client() as own:
        waiting = asyncio.create_task(own.http.post("/v1/chat/completions", json=body))
        await eventually(lambda: _depth(own.http, 1), "the job is on the stream")
        waiting.cancel()
        await eventually(lambda: _depth(own.http, 0), "the job is cancelled")


async def _depth(http: httpx.AsyncClient, depth: int) -> bool:
    return bool((await http.get("/health")).json()["queue_depth"] == depth)


async def test_a_deadline_that_passes_is_an_error_that_is_not_repeated(echo: Stack) -> None:
    async with client_of(echo) as client:
        with pytest.raises(openai.InternalServerError) as found:
            await client.chat.completions.create(
                model=MODEL, messages=said("too late"), extra_body={"deadline_s": 0.05}
            )
    assert found.value.status_code == 504
    assert found.value.response.headers["x-should-retry"] == "false"


async def test_a_secret_in_any_turn_is_taken_out(echo: Stack) -> None:
    key = "AKIA" + "Z7QJ3MNBVC2XK5LP"
    async with client_of(echo) as client:
        answer = await client.chat.completions.create(model=MODEL, messages=said(f"My key is {key}"))
    assert answer.choices[0].message.content == "My key is [REDACTED:aws-key]"


async def test_responses_are_answered_whole_and_as_a_stream(echo: Stack) -> None:
    parts: Any = [{"role": "user", "content": [{"type": "input_text", "text": "one two"}]}]
    async with client_of(echo) as client:
        whole = await client.responses.create(model=MODEL, input="one two", instructions="Be brief.")
        async with client.responses.stream(model=MODEL, input=parts) as stream:
            pieces = [event.delta async for event in stream if event.type == "response.output_text.delta"]
            final = await stream.get_final_response()
    assert (whole.status, whole.output_text) == ("completed", "one two")
    assert whole.usage
    assert whole.usage.output_tokens == 2
    assert pieces == ["one", " two"]
    assert final.output_text == "one two"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"tools": [{"type": "web_search"}]}, "tools"),
        ({"input": [{"type": "function_call_output", "call_id": "1", "output": "x"}]}, "input[0].type"),
        ({"background": True}, "background"),
    ],
)
async def test_responses_that_need_more_than_a_text_are_refused_by_name(
    echo: Stack, fields: dict[str, Any], param: str
) -> None:
    async with client_of(echo) as client:
        with pytest.raises(openai.BadRequestError) as found:
            await client.responses.create(**{"model": MODEL, "input": "Who?", **fields})
    assert found.value.param == param


async def test_citations_of_a_context_are_annotations_of_the_message(echo: Stack) -> None:
    context = "The deposit is 900 euros. The rent is due on the first."
    async with client_of(echo) as client:
        answer = await client.chat.completions.create(
            model=MODEL, messages=said("What is the deposit?"), extra_body={"context": context, "style": "quote"}
        )
    message = answer.choices[0].message
    assert message.content
    assert message.content.startswith("The deposit is 900 euros.")
    citation = message.annotations[0].model_extra["citation"]  # type: ignore[index]  # ours, beside OpenAI's members
    assert context[citation["start"] : citation["end"]] == citation["quote"]
    assert answer.model_extra
    assert answer.model_extra["answer_from"] == "quote"
