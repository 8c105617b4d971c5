"""The proxy's engine against a small server that misbehaves, and a real bus for its cache and its budget."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from contract.bus import Bus
from contract.errors import BudgetExhaustedError, DocQAError, EngineError, PromptTooLongError, ProxyError
from contract.messages import Query, Usage
from contract.settings import Secret
from contract.usage_records import BudgetDay, decode
from inference_worker.engines.base import Completion, Piece
from inference_worker.proxy import request, retries
from inference_worker.proxy.api_client import Remote, target_of
from inference_worker.proxy.budget import Budget
from inference_worker.proxy.cache import AnswerCache
from inference_worker.proxy.engine import ProxyEngine
from inference_worker.proxy.retries import Breaker
from tests.support.nats_server import RunningServer
from tests.support.openai_api import (
    STREAM,
    USAGE,
    Api,
    Behaviour,
    begins_and_hangs,
    breaks_off,
    hangs,
    never_ends,
    never_ends_a_line,
    reads_for_long,
    refuses,
    says,
    says_at_once,
    sends,
    serving,
    stays,
    streams,
)
from tests.support.waiting import eventually

OWNER = "alice.c1"
CHARGED = sum(USAGE.values())
KEY = "a-key-that-nobody-may-see"


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with serving() as api:
        yield api


@pytest.fixture
async def worker(server: RunningServer) -> AsyncIterator[Bus]:
    """By the worker's own rights."""
    async with server.bus("worker") as bus:
        yield bus


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "_FIRST_S", 0.01)


@contextlib.asynccontextmanager
async def asking(
    api: Api, bus: Bus, limit: int | None = None, *, has_cache: bool = False, **options: Any
) -> AsyncIterator[ProxyEngine]:
    waits = {"first_byte_s": options.pop("first_byte_s", 5.0), "idle_s": options.pop("idle_s", 5.0)}
    engine = ProxyEngine(
        Remote(target_of(api.url, allow_http=False), Secret(KEY), **waits),
        Budget(bus.budget, limit),
        AnswerCache(bus.cache, 3600) if has_cache else None,
        model="recorded",
        slots=50,
        context_tokens=4096,
        **options,
    )
    yield engine
    await engine.close()


async def answered(engine: ProxyEngine, query: str = "Who?", owner: str = OWNER, **fields: Any) -> Completion:
    events = [event async for event in engine.generate(Query(query=query, **fields), owner)]
    assert isinstance(events[-1], Completion)
    assert "".join(event.text for event in events[:-1] if isinstance(event, Piece)) == events[-1].text
    return events[-1]


async def refused(engine: ProxyEngine, **fields: Any) -> EngineError:
    with pytest.raises(EngineError) as raised:
        await answered(engine, **fields)
    return raised.value


async def spent(bus: Bus) -> BudgetDay:
    entry = await bus.budget.get(time.strftime("%Y-%m-%d", time.gmtime()))
    return decode(entry.value if entry else None, BudgetDay)


async def test_an_answer_streams_and_says_who_made_it_and_what_it_took(api: Api, worker: Bus) -> None:
    async with asking(api, worker) as engine:
        completion = await answered(engine, context="A story.", max_tokens=9, temperature=0.5, top_p=0.9, stop=["\n"])
    assert (completion.text, completion.finish_reason) == ("It was Ada.", "stop")
    assert (completion.model, completion.backend) == ("recorded", "proxy")
    assert completion.usage == Usage(40, 3)
    [body] = api.bodies
    assert body["model"] == "recorded"
    assert (body["max_tokens"], body["temperature"], body["top_p"], body["stop"]) == (9, 0.5, 0.9, ["\n"])
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert "A story." in body["messages"][1]["content"]
    head = api.requests[0].partition(b"\r\n\r\n")[0].decode()
    assert head.startswith("POST /v1/chat/completions HTTP/1.1")
    assert f"Authorization: Bearer {KEY}" in head
    assert await spent(worker) == BudgetDay(charged_tokens=CHARGED)


async def test_an_api_that_does_not_stream_is_understood(api: Api, worker: Bus) -> None:
    api.usually = says_at_once("At once.")
    async with asking(api, worker) as engine:
        assert (await answered(engine)).text == "At once."


async def test_a_connection_whose_answer_is_at_its_end_is_kept_for_the_next_call(api: Api, worker: Bus) -> None:
    api.usually = stays
    async with asking(api, worker) as engine:
        assert (await answered(engine)).text == "Here."
        [connection] = engine._remote._http._transport._pool.connections  # type: ignore[attr-defined]  # nothing else tells
        assert connection.is_idle()


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
async def test_a_passing_refusal_is_tried_again(api: Api, worker: Bus, status: int) -> None:
    api.script.extend([refuses(status), refuses(status)])
    async with asking(api, worker) as engine:
        assert (await answered(engine)).text == "It was Ada."
    assert len(api.requests) == 3


@pytest.mark.parametrize(
    "behaviour",
    [
        sends(b""),
        sends(b"no HTTP at all\r\n\r\n"),
        sends(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"),
        sends(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{"),
        sends(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {]\n\n"),
        sends(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: \xff\xfe\n\n"),
        sends(b'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {"error": {"message": "x"}}\n\n'),
    ],
    ids=["nothing", "no-http", "no-events", "cut-json", "garbage", "no-utf8", "error-event"],
)
async def test_half_an_answer_without_a_piece_is_tried_again(api: Api, worker: Bus, behaviour: Behaviour) -> None:
    api.script.append(behaviour)
    async with asking(api, worker) as engine:
        assert (await answered(engine)).text == "It was Ada."
    assert len(api.requests) == 2


async def test_trying_ends_after_four_times_and_is_worth_a_replay(api: Api, worker: Bus) -> None:
    api.usually = refuses(500)
    async with asking(api, worker) as engine:
        error = await refused(engine)
    assert isinstance(error, ProxyError)
    assert (error.is_passing, error.is_replayable) == (False, True)
    assert str(error) == "The proxy is failing (500). It was tried 4 times."
    assert len(api.requests) == retries.MOST


async def test_an_answer_that_breaks_off_is_not_gone_on_with_but_begun_anew_by_the_job(api: Api, worker: Bus) -> None:
    api.usually = breaks_off("Half of")
    async with asking(api, worker) as engine:
        error = await refused(engine)
    assert isinstance(error, ProxyError)
    assert error.is_passing
    assert len(api.requests) == 1


async def test_retry_after_is_waited_for(api: Api, worker: Bus) -> None:
    api.script.append(refuses(429, retry_after="1"))
    async with asking(api, worker) as engine:
        began_s = time.monotonic()
        await answered(engine)
    assert time.monotonic() - began_s >= 1


async def test_no_wait_goes_past_the_deadline(api: Api, worker: Bus) -> None:
    api.usually = refuses(429, retry_after="3600")
    async with asking(api, worker) as engine:
        error = await refused(engine, deadline_s=30.0)
    assert "the job has to end before" in str(error)
    assert len(api.requests) == 1


@pytest.mark.parametrize(
    ("behaviour", "words", "is_replayable"),
    [
        (refuses(401), "refuses COPILOT_API_KEY (401)", True),
        (refuses(403), "refuses COPILOT_API_KEY (403)", True),
        (refuses(404), "DOCQA_PROXY_MODEL", True),
        (refuses(429, {"error": {"code": "insufficient_quota"}}), "out of credit", True),
        (refuses(302, location="https://elsewhere.example/v1"), "redirects to elsewhere.example", True),
        (refuses(307, location="/v2/chat/completions"), "redirects to 127.0.0.1", True),
        (says("No.", reason="content_filter"), "ended with `content_filter`", False),
        (refuses(200, content_encoding="gzip"), "compressed", True),
    ],
    ids=["401", "403", "404", "quota", "redirect", "own-redirect", "filter", "gzip"],
)
async def test_what_another_try_does_not_mend_is_said_at_once(
    api: Api, worker: Bus, behaviour: Behaviour, words: str, is_replayable: bool
) -> None:
    api.usually = behaviour
    async with asking(api, worker) as engine:
        error = await refused(engine)
    assert words in str(error)
    assert KEY not in str(error)
    assert (error.is_passing, error.is_replayable) == (False, is_replayable)
    assert len(api.requests) == 1


@pytest.mark.parametrize(
    "content",
    [
        {"choices": 7},
        [],
        {"choices": [{"delta": {"content": 7}}]},
        {"choices": [{"delta": {"content": {"a": 1}}, "finish_reason": "stop"}]},
        {"choices": [{"delta": {"content": ""}, "finish_reason": "stop"}]},
        {"choices": [{"delta": {"content": None, "reasoning_content": "Hm."}, "finish_reason": "stop"}]},
        {"choices": [{"delta": {"content": "<think>hm</think> "}, "finish_reason": "stop"}]},
        {"choices": [{"delta": {"content": "<think>hm"}, "finish_reason": "length"}]},
    ],
)
async def test_json_that_holds_no_answer_fails_after_one_call_and_is_not_cached(
    api: Api, worker: Bus, content: Any
) -> None:
    api.usually = refuses(200, content)
    async with asking(api, worker, has_cache=True) as engine:
        assert not (await refused(engine)).is_passing
        assert len(api.requests) == 1
        api.usually = says("It was Ada.")
        assert (await answered(engine)).text == "It was Ada."


@pytest.mark.parametrize(
    ("reason", "finish_reason"),
    [
        ("eos_token", "stop"),
        ("end_turn", "stop"),
        ("STOP", "stop"),
        ("whatever comes next", "stop"),
        ("max_tokens", "length"),
        ("MAX_TOKENS", "length"),
        ("max_output_tokens", "length"),
        ("model_length", "length"),
    ],
)
async def test_an_end_that_nobody_knows_is_an_end(api: Api, worker: Bus, reason: str, finish_reason: str) -> None:
    api.usually = says("It was Ada.", reason=reason)
    async with asking(api, worker) as engine:
        completion = await answered(engine)
    assert (completion.text, completion.finish_reason) == ("It was Ada.", finish_reason)


@pytest.mark.parametrize(
    "contents",
    [
        [[{"type": "text", "text": "It was "}], [{"type": "text", "text": {"value": "Ada."}}]],
        [[{"type": "thinking", "thinking": "Hm."}, "It was Ada."]],
        [{"type": "output_text", "text": "It was Ada."}],
        ["<think>\nWas it Bob?", " No.</th", "ink>\n\nIt was", " Ada."],
        ["  <", "think>a</think><think>b</think>", "It was Ada."],
    ],
)
async def test_the_text_of_an_answer_is_found_in_parts_and_behind_thoughts(
    api: Api, worker: Bus, contents: list[Any]
) -> None:
    api.usually = streams(*contents)
    async with asking(api, worker) as engine:
        assert (await answered(engine)).text == "It was Ada."


@pytest.mark.parametrize("text", ["<thinly> veiled", "<", "a <think> b", "1 < 2"])
async def test_what_only_looks_like_a_thought_is_part_of_the_answer(api: Api, worker: Bus, text: str) -> None:
    api.usually = streams(*text)
    async with asking(api, worker) as engine:
        assert (await answered(engine)).text == text


async def test_a_character_in_two_chunks_is_one_character(api: Api, worker: Bus) -> None:
    half = [
        b'{"choices": [{"delta": {"content": "Ha \\ud83d"}}]}',
        b'{"choices": [{"delta": {"content": "\\ude00!"}}]}',
    ]
    part = [b'{"choices": [{"delta": {"content": "\xc3"}}]}', b'{"choices": [{"delta": {"content": "\xa9 \\udc00"}}]}']
    end = b'{"choices": [{"delta": {}, "finish_reason": "stop"}]}'
    api.usually = sends(STREAM + b"".join(b"data: " + line + b"\n\n" for line in [*half, *part, end]))
    async with asking(api, worker) as engine:
        assert (await answered(engine)).text == "Ha \U0001f600!\u00e9 \ufffd"


@pytest.mark.parametrize(
    "content",
    [
        {"error": {"message": "Unknown field stream_options in body."}},
        {"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "Extra inputs"}]},
        {"error": "usage in streams is not available here"},
    ],
)
async def test_an_api_that_refuses_stream_options_in_words_of_its_own_is_asked_without(
    api: Api, worker: Bus, content: Any
) -> None:
    api.script.append(refuses(400, content))
    async with asking(api, worker) as engine:
        assert (await answered(engine)).text == "It was Ada."
        await answered(engine, query="Who else?")
    assert ["stream_options" in body for body in api.bodies] == [True, False, False]
    assert all("temperature" in body for body in api.bodies)


async def test_a_refusal_without_a_reason_is_tried_without_all_that_is_dispensable_and_then_said(
    api: Api, worker: Bus
) -> None:
    api.usually = refuses(400)
    async with asking(api, worker) as engine:
        error = await refused(engine)
        assert "refuses this question (400): No." in str(error)
        assert (error.is_passing, error.is_replayable) == (False, False)
        assert len(api.requests) == 3
        api.usually = says("It was Ada.")
        await answered(engine)
    assert {"stream_options", "temperature", "top_p"} <= api.bodies[-1].keys()
    assert (await spent(worker)).used_tokens == CHARGED


def unsupported(parameter: str, **error: Any) -> Behaviour:
    """As hosted models refuse what they don't take."""
    message = f"Unsupported parameter: '{parameter}' is not supported with this model."
    return refuses(400, {"error": {"message": message, "param": parameter, "code": "unsupported_parameter", **error}})


async def test_a_parameter_that_the_model_does_not_take_is_not_sent_again(api: Api, worker: Bus) -> None:
    api.script.extend(
        [
            unsupported("max_tokens", param=None, code="invalid_request_body"),
            unsupported("temperature", message="Only the default (1) value is supported.", code="unsupported_value"),
        ]
    )
    async with asking(api, worker) as engine:
        assert (await answered(engine, max_tokens=9, seed=1, stop=["x"])).text == "It was Ada."
        await answered(engine, max_tokens=9)
    first, second, third, later = api.bodies
    assert (first["max_tokens"], first["temperature"]) == (9, 0)
    assert (second["max_completion_tokens"], second["temperature"]) == (9, 0)
    assert (third["max_completion_tokens"], third["seed"], third["stop"]) == (9, 1, ["x"])
    for body in (third, later):
        assert not {"max_tokens", "temperature"} & body.keys()
    assert (await spent(worker)).used_tokens == 2 * CHARGED


@pytest.mark.parametrize(
    "refusal",
    [
        unsupported("stop"),
        unsupported("messages"),
        unsupported("max_tokens", message="Too large.", code="invalid_value"),
    ],
    ids=["stop", "messages", "value"],
)
async def test_what_can_not_be_left_out_is_refused_as_it_stands(api: Api, worker: Bus, refusal: Behaviour) -> None:
    api.usually = refusal
    async with asking(api, worker) as engine:
        assert "refuses this question (400)" in str(await refused(engine, stop=["x"]))
    assert len(api.requests) == 1


async def test_a_model_that_refuses_what_it_was_not_sent_ends_the_question(api: Api, worker: Bus) -> None:
    api.usually = unsupported("top_p")
    async with asking(api, worker) as engine:
        assert str(await refused(engine)) == "The proxy's model refuses `top_p`."
    assert len(api.requests) == 2


async def test_a_secret_in_a_refusal_is_not_quoted(api: Api, worker: Bus) -> None:
    api.usually = refuses(400, {"error": {"message": f"Not {'AKIA'}Z7QJ3MNBVC2XK5LP\nplease" + "!" * 5000}})
    async with asking(api, worker) as engine:
        error = await refused(engine)
    assert "AKIA" not in str(error)
    assert len(str(error)) < 300


async def test_an_answer_that_does_not_fit_beside_the_prompt_is_asked_for_with_what_is_left(
    api: Api, worker: Bus
) -> None:
    words = "The maximum context length is 1000 tokens, and you requested 1200 (200 of prompt, 1000 of completion)."
    api.script.append(refuses(400, {"error": {"message": words}}))
    async with asking(api, worker) as engine:
        assert (await answered(engine, max_tokens=1000)).text == "It was Ada."
    assert [body["max_tokens"] for body in api.bodies] == [1000, 800]


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_prompt_that_is_too_long_in_any_words_is_said_to_be_too_long(
    api: Api, worker: Bus, status: int
) -> None:
    api.usually = refuses(status, {"error": "Your input is way too long for this model."})
    async with asking(api, worker) as engine:
        assert isinstance(await refused(engine, context="x" * 1000), PromptTooLongError)
    assert len(api.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": 400, "message": "too large", "n_prompt_tokens": 9000, "n_ctx": 8192}},
        {
            "error": {
                "code": "context_length_exceeded",
                "message": "This model's maximum context length is 8192 tokens. However, your messages resulted in "
                "9000 tokens. Please reduce the length of the messages.",
            }
        },
    ],
    ids=["llama-server", "openai"],
)
async def test_a_prompt_that_is_too_long_there_is_said_as_the_local_engine_says_it(
    api: Api, worker: Bus, body: Any
) -> None:
    api.usually = refuses(400, body)
    async with asking(api, worker) as engine:
        with pytest.raises(PromptTooLongError) as raised:
            await answered(engine, context="word " * 5000)
    assert (raised.value.prompt_tokens, raised.value.limit_tokens) == (9000, 8192)
    assert 1000 < raised.value.cut_chars < 5000


async def test_a_server_that_hangs_is_left(api: Api, worker: Bus) -> None:
    api.script.append(hangs)
    async with asking(api, worker, first_byte_s=0.2) as engine:
        assert (await answered(engine)).text == "It was Ada."
        await eventually(lambda: _as_probe(api.hung_up), "the connection is closed")


async def test_a_prompt_may_be_read_for_as_long_as_an_answer_may_take_to_begin(api: Api, worker: Bus) -> None:
    api.usually = reads_for_long
    async with asking(api, worker, idle_s=0.1) as engine:
        assert (await answered(engine)).text == "Read."


async def test_a_server_that_falls_silent_is_left(api: Api, worker: Bus) -> None:
    api.usually = begins_and_hangs
    async with asking(api, worker, idle_s=0.2) as engine:
        assert "sent nothing for 0.2 s" in str(await refused(engine))
        await eventually(lambda: _as_probe(api.hung_up), "the connection is closed")


async def test_a_cancel_closes_the_connection_and_counts_in_full(api: Api, worker: Bus) -> None:
    api.usually = begins_and_hangs
    lost: list[int] = []
    async with asking(api, worker, lose_tokens=lambda owner, tokens: lost.append(tokens)) as engine:
        task = asyncio.create_task(answered(engine, max_tokens=7))
        await eventually(lambda: _as_probe(len(api.requests)), "the API is asked")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await eventually(lambda: _as_probe(api.hung_up), "the connection is closed")
    assert (await spent(worker)).used_tokens == lost[0] > 512


@pytest.mark.parametrize("behaviour", [never_ends, never_ends_a_line])
async def test_an_answer_without_an_end_is_ended(api: Api, worker: Bus, behaviour: Behaviour) -> None:
    api.usually = behaviour
    async with asking(api, worker) as engine:
        error = await refused(engine, max_tokens=1)
    assert "more than 1052672 bytes" in str(error)
    await eventually(lambda: _as_probe(api.hung_up), "the connection is closed")


async def test_a_text_that_does_not_pass_the_sanitizer_is_not_sent(
    api: Api, worker: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_text: str, _options: object) -> None:
        raise DocQAError("The text holds too many secrets.")

    monkeypatch.setattr(request, "sanitize", refuse)
    async with asking(api, worker) as engine:
        error = await refused(engine)
    assert (type(error), str(error), error.is_replayable) == (ProxyError, "The text holds too many secrets.", False)
    assert not api.requests


async def test_a_server_that_is_not_there_costs_nothing(api: Api, worker: Bus) -> None:
    api.url = "http://127.0.0.1:1/v1"
    async with asking(api, worker) as engine:
        assert "can't be reached" in str(await refused(engine))
    assert await spent(worker) == BudgetDay()


async def test_after_five_outages_nobody_asks_and_then_one_call_decides(api: Api, worker: Bus) -> None:
    api.usually = refuses(500)
    clock = [0.0]
    async with asking(api, worker, breaker=Breaker(now_s=lambda: clock[0])) as engine:
        await refused(engine)
        await refused(engine, deadline_s=5.0)
        assert len(api.requests) == 5
        assert "not asked for a while" in str(await refused(engine, deadline_s=5.0))
        assert len(api.requests) == 5
        clock[0] = 16.0
        api.usually = says("Back.")
        assert (await answered(engine)).text == "Back."
        assert (await answered(engine)).text == "Back."


async def test_a_replay_of_the_same_question_costs_nothing(api: Api, worker: Bus) -> None:
    async with asking(api, worker, has_cache=True) as engine:
        first = await answered(engine)
    async with asking(api, worker, has_cache=True) as engine:
        second = await answered(engine)
    assert (second.text, second.model, second.backend) == (first.text, first.model, "cache")
    assert second.usage == Usage(40, 3, 40)
    assert len(api.requests) == 1
    assert (await spent(worker)).used_tokens == CHARGED


@pytest.mark.parametrize(
    "other",
    [{"query": "Who else?"}, {"context": "x"}, {"max_tokens": 5}, {"top_p": 0.5}, {"stop": ["x"]}, {"owner": "bob.c1"}],
    ids=lambda other: next(iter(other)),
)
async def test_what_differs_in_anything_that_matters_is_asked_anew(api: Api, worker: Bus, other: Any) -> None:
    async with asking(api, worker, has_cache=True) as engine:
        await answered(engine)
        assert (await answered(engine, **other)).backend == "proxy"


async def test_a_question_that_wants_another_answer_each_time_is_neither_looked_for_nor_kept(
    api: Api, worker: Bus
) -> None:
    async with asking(api, worker, has_cache=True) as engine:
        await answered(engine, temperature=0.7)
        assert (await answered(engine, temperature=0.7)).backend == "proxy"
        await answered(engine, temperature=0.7, seed=1)
        assert (await answered(engine, temperature=0.7, seed=1)).backend == "cache"


async def test_an_answer_that_is_too_old_is_asked_anew_and_replaced(
    api: Api, worker: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asking(api, worker, has_cache=True) as engine:
        await answered(engine)
        monkeypatch.setattr(time, "time", lambda now=time.time(): now + 3601)
        assert (await answered(engine)).backend == "proxy"
        assert (await answered(engine)).backend == "cache"


async def test_an_answer_says_where_the_cache_keeps_it(api: Api, worker: Bus) -> None:
    async with asking(api, worker, has_cache=True) as engine:
        first, again = await answered(engine), await answered(engine)
        assert first.cache_key == again.cache_key
        assert first.cache_key.startswith(f"{OWNER}.")
        assert (await answered(engine, temperature=0.7)).cache_key == ""
        entry = await worker.cache.get(first.cache_key)
        assert entry
        assert b"Ada" in entry.value
        await worker.cache.put(first.cache_key, b"")
        assert (await answered(engine)).backend == "proxy"


async def test_a_cache_that_takes_nothing_fails_no_job(api: Api, bare_server: RunningServer) -> None:
    """The buckets are not there, as on a bus of an earlier version: then nothing is cached, and nothing is spent."""
    async with bare_server.bus("admin") as bus, asking(api, bus, has_cache=True) as engine:
        cache = AnswerCache(bus.cache, 3600)
        assert await cache.find(OWNER, "f" * 64) is None
        await cache.keep(OWNER, "f" * 64, an_answer())
        error = await refused(engine)
    assert "its budget can't be counted" in str(error)
    assert not api.requests


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        {"prompt_tokens": "40", "completion_tokens": 3},
        {"prompt_tokens": -1, "completion_tokens": 3},
        {"prompt_tokens": 40, "completion_tokens": 0},
        {"prompt_tokens": 0, "completion_tokens": 3},
        {"prompt_tokens": 10**30, "completion_tokens": 3},
        [1],
    ],
    ids=str,
)
async def test_a_usage_that_is_missing_or_can_not_be_true_counts_in_full(api: Api, worker: Bus, usage: Any) -> None:
    api.usually = says("It was Ada.", usage=usage)
    async with asking(api, worker) as engine:
        completion = await answered(engine, max_tokens=7)
    assert completion.usage.completion_tokens == 7
    assert completion.usage.prompt_tokens > 512
    day = await spent(worker)
    assert (day.charged_tokens, day.reserved_tokens) == (completion.usage.prompt_tokens + 7, 0)


async def test_a_usage_beyond_what_was_reserved_counts_as_it_is_reported(api: Api, worker: Bus) -> None:
    api.usually = says("It was Ada.", usage={"prompt_tokens": 100_000, "completion_tokens": 3})
    async with asking(api, worker, 2000) as engine:
        await answered(engine)
        assert (await spent(worker)).used_tokens == 100_003
        assert isinstance(await refused(engine), BudgetExhaustedError)


async def test_a_budget_that_is_used_up_is_said_with_the_time_of_the_new_one(api: Api, worker: Bus) -> None:
    async with asking(api, worker, 1000) as engine:
        for _ in range(7):
            await answered(engine, max_tokens=1)
        error = await refused(engine)
    assert isinstance(error, BudgetExhaustedError)
    assert error.resets_at
    assert error.resets_at.hour == error.resets_at.minute == 0
    assert f"{error.resets_at:%Y-%m-%d} 00:00 UTC" in str(error)
    assert len(api.requests) == 7


async def test_a_question_larger_than_a_whole_day_is_told_so_without_a_time(api: Api, worker: Bus) -> None:
    async with asking(api, worker, 1000) as engine:
        error = await refused(engine, context="x" * 2000)
    assert isinstance(error, BudgetExhaustedError)
    assert error.resets_at is None
    assert "a whole day has 1000" in str(error)


async def test_fifty_calls_at_once_never_exceed_the_budget(api: Api, server: RunningServer) -> None:
    """Over two workers, each of them with what the API reports as large as it may be."""
    api.usually = says("It was Ada.", usage=None)
    limit = 5000
    async with server.bus("worker") as one, server.bus("worker") as two:
        async with asking(api, one, limit) as first, asking(api, two, limit) as second:
            calls = [answered(engine, f"Who is {n}?", max_tokens=9) for n in range(25) for engine in (first, second)]
            results = await asyncio.gather(*calls, return_exceptions=True)
        day = await spent(one)
    made = [result for result in results if isinstance(result, Completion)]
    assert len(made) + sum(isinstance(result, BudgetExhaustedError) for result in results) == len(results) == 50
    charged = sum(result.usage.prompt_tokens + result.usage.completion_tokens for result in made)
    assert len(api.requests) == len(made)
    assert day == BudgetDay(limit_tokens=limit, charged_tokens=charged, reserved_tokens=0)
    assert limit - charged // len(made) < charged <= limit


def an_answer(text: str = "x") -> Completion:
    return Completion(text=text, finish_reason="stop", usage=Usage(1, 1), prefill_ms=0, decode_ms=0)


async def _as_probe(value: int) -> int:
    return value
