"""Whatever JSON an API sends, in whatever pieces: a part of an answer, or an error that says that it is none."""

import contextlib
import itertools
import json
from collections.abc import AsyncIterator

from hypothesis import given
from hypothesis import strategies as st

from inference_worker.engines.answer_text import Characters, Thoughts
from inference_worker.proxy.errors import ApiError
from inference_worker.proxy.response_stream import Chunk, decoded, events

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
