"""An engine gives its place to another one while nothing is generated."""

import asyncio
import threading

import pytest

from contract.errors import EngineError, SettingsError
from contract.messages import Query
from inference_worker.engines.base import Completion, Engine
from inference_worker.engines.echo import EchoEngine
from inference_worker.engines.replaceable import Replaceable

QUERY = Query(query="one two three")


async def answer(engine: Engine) -> str:
    [*_, end] = [event async for event in engine.generate(QUERY, "http.a")]
    assert isinstance(end, Completion)
    return end.text


async def test_the_next_one_answers_and_tokens_are_counted_on() -> None:
    former, following = EchoEngine(2), EchoEngine(4)
    engine = Replaceable(former)
    await answer(engine)
    assert await engine.replace(lambda: following)
    assert (engine.slots, engine.tokens_generated) == (4, 3)
    assert await answer(engine) == "one two three"
    assert engine.tokens_generated == 6
    with pytest.raises(EngineError):
        await answer(former)


async def test_while_something_is_generated_nothing_is_replaced() -> None:
    engine = Replaceable(EchoEngine(2))
    events = engine.generate(QUERY, "http.a")
    await anext(events)
    assert not await engine.replace(lambda: EchoEngine(4))
    await events.aclose()
    assert await engine.replace(lambda: EchoEngine(4))


async def test_what_comes_meanwhile_waits_for_the_next_one() -> None:
    opening, may_open = threading.Event(), threading.Event()

    def open_next() -> Engine:
        opening.set()
        may_open.wait(10)
        return EchoEngine(4)

    engine = Replaceable(EchoEngine(2))
    replacing = asyncio.create_task(engine.replace(open_next))
    await asyncio.to_thread(opening.wait, 10)
    answering = asyncio.create_task(answer(engine))
    assert not await engine.replace(lambda: EchoEngine(8))
    may_open.set()
    assert await replacing
    assert await answering == "one two three"
    assert engine.slots == 4


async def test_where_the_next_one_can_not_be_opened_the_reason_is_raised_and_nobody_waits_for_ever() -> None:
    def open_next() -> Engine:
        raise SettingsError("DOCQA_SLOTS: no memory.")

    engine = Replaceable(EchoEngine(2))
    with pytest.raises(SettingsError, match="no memory"):
        await engine.replace(open_next)
    with pytest.raises(EngineError):
        await answer(engine)
