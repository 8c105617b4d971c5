"""Requests as widely used programs send them to an API like OpenAI's, field for field from their public sources."""

import json
from typing import Any, Final

import pytest

from tests.support.stack import Stack

ASKED: Final = "Who wrote it?"
_TURNS: Final = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "Is there a program?"},
    {"role": "assistant", "content": "There is one."},
    {"role": "user", "content": ASKED},
]
_TITLE: Final = (
    "### Task:\nGenerate a concise title summarizing the chat history.\n### Output:\nJSON format: "
    '{ "title": "your concise title here" }\n### Chat History:\n'
    "<chat_history>\nUSER: Hi\nASSISTANT: Hello\n</chat_history>"
)

REQUESTS: Final[dict[str, dict[str, Any]]] = {
    "Open WebUI": {
        "stream": True,
        "model": "docqa",
        "messages": _TURNS,
        "stream_options": {"include_usage": True},
        "temperature": 0.8,
        "top_p": 0.9,
        "frequency_penalty": 0,
        "repeat_penalty": 1.1,
        "logit_bias": {},
        "max_tokens": 128,
        "user": {"name": "Ada", "id": "1", "email": "ada@example.com", "role": "user"},
    },
    "Open WebUI, a title": {
        "model": "docqa",
        "messages": [{"role": "user", "content": _TITLE}],
        "stream": False,
        "max_completion_tokens": 1000,
    },
    "LibreChat": {
        "model": "docqa",
        "user": "66a1f0c2d3",
        "stream": True,
        "messages": [_TURNS[0], {"role": "user", "content": [{"type": "text", "text": ASKED}]}],
        "stream_options": {"include_usage": True},
        "top_p": 1,
        "presence_penalty": 0,
        "frequency_penalty": 0,
        "streaming": True,
    },
    "n8n": {
        "model": "docqa",
        "temperature": 0.7,
        "top_p": 1,
        "frequency_penalty": 0,
        "presence_penalty": 0,
        "n": 1,
        "stream": False,
        "response_format": {"type": "text"},
        "messages": _TURNS,
    },
    "n8n, with the earlier members": {
        "model": "docqa",
        "temperature": 0.7,
        "max_tokens": 256,
        "n": None,
        "logprobs": None,
        "functions": None,
        "tools": [],
        "tool_choice": None,
        "parallel_tool_calls": None,
        "stop": None,
        "messages": [{**turn, "name": None, "tool_calls": None} for turn in _TURNS],
    },
    "Continue": {
        "messages": [{"role": "user", "content": [{"type": "text", "text": ASKED}]}],
        "model": "docqa",
        "max_tokens": 2048,
        "temperature": 0.5,
        "stream": True,
        "stop": ["\n```", "</code>"],
        "prediction": None,
    },
    "Zed and others that set everything": {
        "model": "docqa",
        "messages": _TURNS,
        "stream": True,
        "max_completion_tokens": 64,
        "reasoning_effort": "low",
        "verbosity": "low",
        "store": False,
        "metadata": {"chat": "1"},
        "service_tier": "auto",
        "prompt_cache_key": "1",
        "safety_identifier": "1",
        "parallel_tool_calls": False,
        "modalities": ["text"],
        "top_logprobs": None,
    },
}


@pytest.mark.parametrize("client", REQUESTS)
async def test_the_request_is_answered_in_the_form_that_the_client_reads(echo: Stack, client: str) -> None:
    body = REQUESTS[client]
    asked = _TITLE if client.endswith("a title") else ASKED
    async with echo.client() as own:
        response = await own.http.post("/v1/chat/completions", json=body)
    assert response.status_code == 200, response.text
    # The echo engine says the words of the question.
    assert (
        _text_of(response.text, is_stream=bool(body.get("stream"))).split() == asked.split()[: body.get("max_tokens")]
    )


def _text_of(body: str, *, is_stream: bool) -> str:
    if not is_stream:
        message = json.loads(body)["choices"][0]["message"]
        return str(message["content"])
    *lines, last = [line.removeprefix("data: ") for line in body.splitlines() if line]
    assert last == "[DONE]"
    chunks = [json.loads(line) for line in lines]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    assert choices[-1]["finish_reason"] == "stop"
    return "".join(choice["delta"].get("content") or "" for choice in choices)


async def test_the_models_are_listed_as_clients_read_them(echo: Stack) -> None:
    async with echo.client() as own:
        for path in ("/v1/models", "/v1/models?limit=100", "/v1/models/"):
            response = await own.http.get(path)
            assert response.status_code == 200, path
            assert all({"id", "object", "created", "owned_by"} <= model.keys() for model in response.json()["data"])


async def test_an_agent_that_brings_a_tools_result_is_refused_by_name(echo: Stack) -> None:
    calls = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    turns = [
        *_TURNS,
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "1", "content": "x"},
    ]
    async with echo.client() as own:
        response = await own.http.post("/v1/chat/completions", json={"model": "docqa", "messages": turns})
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (400, "unsupported_parameter", "messages[5].role")
