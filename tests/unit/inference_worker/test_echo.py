"""The fake engine."""

import asyncio
import time

import pytest

from contract.errors import EngineError
from contract.messages import Query
from inference_worker.engines.base import Completion, Engine, Piece
from inference_worker.engines.echo import EchoEngine


async def answered(engine: Engine, query: Query) -> tuple[list[str], Completion]:
    pieces: list[str] = []
    async for event in engine.generate(query, "http.tests"):
        if isinstance(event, Completion):
            return pieces, event
        assert isinstance(event, Piece)
        pieces.append(event.text)
    raise AssertionError("no completion came")


async def test_it_answers_with_the_querys_own_words() -> None:
    pieces, completion = await answered(EchoEngine(slots=2), Query(query="one  two three", context="a b"))
    assert pieces == ["one", " two", " three"]
    assert (completion.text, completion.finish_reason) == ("one two three", "stop")
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (5, 3)


async def test_max_tokens_bounds_the_words() -> None:
    _, completion = await answered(EchoEngine(slots=2), Query(query="one two three", max_tokens=2))
    assert (completion.text, completion.finish_reason) == ("one two", "length")


async def test_it_names_itself_and_counts_words() -> None:
    engine = EchoEngine(slots=2)
    await answered(engine, Query(query="one two"))
    assert (engine.model_name, engine.tokens_generated) == ("echo", 2)


async def test_slots_answer_side_by_side_and_the_rest_waits() -> None:
    engine = EchoEngine(slots=2, delay_s=0.3)
    began_s = time.monotonic()
    await asyncio.gather(*(answered(engine, Query(query="word")) for _ in range(4)))
    assert 0.6 <= time.monotonic() - began_s < 1.1


async def test_a_cancelled_answer_frees_its_slot() -> None:
    engine = EchoEngine(slots=1, delay_s=60)
    task = asyncio.create_task(answered(engine, Query(query="word")))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    engine._delay_s = 0
    await asyncio.wait_for(answered(engine, Query(query="word")), 1)


async def test_closing_ends_what_is_waiting() -> None:
    engine = EchoEngine(slots=1, delay_s=60)
    tasks = [asyncio.create_task(answered(engine, Query(query="word"))) for _ in range(3)]
    await asyncio.sleep(0.01)
    await engine.close()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(outcome, EngineError) for outcome in outcomes)


async def test_its_pieces_are_the_text_of_its_completion() -> None:
    pieces, completion = await answered(EchoEngine(slots=1), Query(query=" spaced   out "))
    assert "".join(pieces) == completion.text
    assert all(isinstance(Piece(piece), Piece) for piece in pieces)
