"""Whatever JSON an API sends, in whatever pieces: a part of an answer, or an error that says that it is none."""

import contextlib
import itertools
import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.messages import Usage
from inference_worker.engines.answer_text import Characters, Thoughts
from inference_worker.proxy.errors import ApiError, TooLongError
from inference_worker.proxy.response_stream import Chunk, answer_in, decoded, events, usage_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["choices", "delta", "message", "content", "text", "type", "finish_reason", "error", "usage"]),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(JSON)
def test_any_json_is_a_part_of_an_answer_or_an_error_of_the_api(content: object) -> None:
    with contextlib.suppress(ApiError):
        chunk = decoded(json.dumps(content).encode())
        assert isinstance(chunk.text, str)
        assert chunk.finish_reason in (None, "stop", "length")


@given(st.binary(max_size=50))
def test_any_bytes_are_a_part_of_an_answer_or_an_error_of_the_api(content: bytes) -> None:
    with contextlib.suppress(ApiError):
        assert isinstance(decoded(content), Chunk)


@given(st.text(max_size=20), st.lists(st.integers(1, 40), max_size=8))
async def test_events_are_the_same_in_any_pieces(text: str, sizes: list[int]) -> None:
    data = b"data: " + json.dumps({"choices": [{"delta": {"content": text}}]}).encode() + b"\r\n\r\n"

    async def parts() -> AsyncIterator[bytes]:
        rest = data
        for size in sizes:
            yield rest[:size]
            rest = rest[size:]
        yield rest

    assert [chunk.text async for chunk in events(parts())] == [text]


@given(st.text(max_size=20), st.sets(st.integers(0, 40)))
def test_characters_cut_anywhere_come_out_whole(text: str, cuts: set[int]) -> None:
    halves = text.encode("utf-16-le")
    units = [halves[at : at + 2].decode("utf-16-le", "surrogatepass") for at in range(0, len(halves), 2)]
    bounds = [0, *sorted(cut for cut in cuts if cut < len(units)), len(units)]
    pieces = ["".join(units[start:end]) for start, end in itertools.pairwise(bounds)]
    characters = Characters()
    assert "".join([characters.feed(piece) for piece in pieces]) + characters.finish() == text


@given(st.text("<think>/ab ", max_size=30), st.lists(st.integers(1, 9), max_size=9))
def test_thoughts_are_left_out_however_the_text_is_cut(text: str, sizes: list[int]) -> None:
    whole, cut, rest = Thoughts(), Thoughts(), text
    said = []
    for size in sizes:
        said.append(cut.feed(rest[:size]))
        rest = rest[size:]
    said.append(cut.feed(rest))
    assert "".join(said) + cut.finish() == whole.feed(text) + whole.finish()


async def read(*parts: bytes, is_stream: bool) -> list[Chunk]:
    async def coming() -> AsyncIterator[bytes]:
        for part in parts:
            yield part

    return [chunk async for chunk in answer_in(coming(), is_stream=is_stream)]


WHOLE = b'{"choices": [{"message": {"content": "Ada."}, "finish_reason": "stop"}]}'


@pytest.mark.parametrize("is_stream", [True, False])
@pytest.mark.parametrize(
    "content",
    [
        WHOLE,
        b"\xef\xbb\xbf" + WHOLE,
        b"\r\n " + WHOLE + b"\n",
        json.dumps(json.loads(WHOLE), indent=2).encode(),
        b"data: " + WHOLE + b"\n\ndata: [DONE]\n\n",
        b"\xef\xbb\xbfdata: " + WHOLE + b"\n\n",
        b": ping\n\nevent: message\ndata: " + WHOLE + b"\n\n",
        WHOLE + b"\n" + b'{"choices": [], "usage": null}' + b"\n",
    ],
)
async def test_an_answer_is_read_by_what_it_is_and_not_by_its_media_type(content: bytes, is_stream: bool) -> None:
    for size in (1, 7, len(content)):
        parts = [content[at : at + size] for at in range(0, len(content), size)]
        assert "".join(chunk.text for chunk in await read(*parts, is_stream=is_stream)) == "Ada."


async def test_a_page_in_place_of_an_answer_fails_after_one_call() -> None:
    with pytest.raises(ApiError, match="something else than JSON") as caught:
        await read(b"<!doctype html>", b"<title>Sign in</title>", is_stream=False)
    assert not caught.value.is_passing


def ended(reason: str) -> Chunk:
    return decoded(json.dumps({"choices": [{"delta": {"content": "A"}, "finish_reason": reason}]}).encode())


@pytest.mark.parametrize("reason", ["stop", "eos_token", "end_turn", "STOP_SEQUENCE", "tool_calls", "COMPLETE", "eos"])
def test_an_end_that_nobody_knows_is_one(reason: str) -> None:
    assert ended(reason).finish_reason == "stop"


@pytest.mark.parametrize(
    "reason",
    ["length", "MAX_TOKENS", "max_output_tokens", "model_length", "model_context_window_exceeded", "LIMIT",
     "token_limit_reached", "truncated", "incomplete"],
)  # fmt: skip
def test_an_end_at_any_limit_is_one_by_length(reason: str) -> None:
    assert ended(reason).finish_reason == "length"


@pytest.mark.parametrize("reason", ["content_filter", "SAFETY", "guardrail_intervened", "sensitive", "BLOCKLIST"])
def test_what_was_withheld_fails_for_good(reason: str) -> None:
    with pytest.raises(ApiError) as caught:
        ended(reason)
    assert not caught.value.is_passing


@pytest.mark.parametrize("reason", ["error", "abort", "cancelled", "timeout", "insufficient_system_resource"])
def test_an_answer_that_its_server_broke_off_is_asked_for_again(reason: str) -> None:
    with pytest.raises(ApiError) as caught:
        ended(reason)
    assert caught.value.is_passing


def test_parts_that_are_no_text_leave_the_others_the_answer() -> None:
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "Two "},
        {"type": "reference", "reference_ids": [1]},
        {"type": "output_text", "text": "months."},
        {"type": "image_url", "image_url": {"url": "data:"}},
    ]
    assert decoded(json.dumps({"choices": [{"delta": {"content": parts}}]}).encode()).text == "Two months."


def test_an_error_in_place_of_an_answer_that_means_too_long_is_too_long() -> None:
    with pytest.raises(TooLongError):
        decoded(b'{"error": {"message": "The context length is 1000 tokens, your prompt has 1200 tokens."}}')


@pytest.mark.parametrize(
    "reported",
    [
        {"prompt_tokens": 40, "completion_tokens": 3},
        {"prompt_tokens": 40.0, "completion_tokens": 3.0, "prompt_tokens_details": []},
        {"input_tokens": 40, "output_tokens": 3, "input_tokens_details": {"cached_tokens": None}},
        {"prompt_tokens": 40, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": "some"}},
        {"prompt_tokens": None, "input_tokens": 40, "completion_tokens": 3, "cost": 0.1, "total_tokens": "43"},
    ],
)
def test_a_usage_counts_in_any_known_words(reported: object) -> None:
    assert usage_of(reported, 100, "Ada.") == Usage(40, 3, 0)


@pytest.mark.parametrize("place", ["choice", "extension", "top"])
def test_a_usage_is_found_where_apis_put_it(place: str) -> None:
    usage = {"prompt_tokens": 40, "completion_tokens": 3}
    choice: dict[str, object] = {"delta": {}, "finish_reason": "stop"}
    chunk: dict[str, object] = {"choices": [choice]}
    if place == "choice":
        choice["usage"] = usage
    elif place == "extension":
        chunk["x_groq"] = {"id": "1", "usage": usage}
    else:
        chunk["usage"] = usage
    assert decoded(json.dumps(chunk).encode()).usage == usage
