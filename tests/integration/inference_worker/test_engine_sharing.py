"""Queries that share the bundled model: its steps, and what was read of their documents."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from contract.messages import Query
from contract.worker_tools import Pair
from inference_worker.backends import open_engine
from inference_worker.engines.base import Completion, Engine, Piece
from inference_worker.settings import WorkerSettings
from inference_worker.tools import near_ties
from tests.integration.inference_worker.test_engine import CAFE, CONTRACT, QUESTIONS, TELESCOPE

pytestmark = pytest.mark.model

NEAR_TIE_NATS = 1.0
"""Flash attention, where a machine is faster with it, moves a Q4_1 file's logits by some tenths with who is computed
beside them (0.47 seen); another query's cells by many nats."""

LONG = " ".join(f"Paragraph {number}: {CAFE} {TELESCOPE} {CONTRACT}" for number in range(4))


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = open_engine(WorkerSettings(slots=8, model_quantization="as-is"))
    yield engine
    asyncio.run(engine.close())


@pytest.fixture(scope="module")
def lone_engine() -> Iterator[Engine]:
    """One query at a time, and nothing kept of the one before."""
    engine = open_engine(WorkerSettings(slots=1, prefix_cache_mb=0, model_quantization="as-is"))
    yield engine
    asyncio.run(engine.close())


async def answer(engine: Engine, query: Query, owner: str = "http.tests") -> Completion:
    async for event in engine.generate(query, owner):
        if isinstance(event, Completion):
            return event
    raise AssertionError("no completion came")


def about(document: str, question: str = "Who opened the café?", max_tokens: int = 4) -> Query:
    return Query(query=question, context=document, max_tokens=max_tokens)


async def test_the_second_question_on_a_document_reads_the_question_only(engine: Engine) -> None:
    document = f"First. {LONG}"
    first = await answer(engine, about(document))
    second = await answer(engine, about(document, "How wide is the mirror?"))
    assert first.usage.prompt_tokens > 600
    assert second.usage.prompt_tokens - second.usage.cached_tokens < 30
    assert second.prefill_ms < first.prefill_ms


async def test_questions_that_come_together_read_their_document_once(engine: Engine) -> None:
    document = f"Together. {LONG}"
    completions = await asyncio.gather(*(answer(engine, about(document, f"Question {n}?")) for n in range(8)))
    read = [completion.usage.prompt_tokens - completion.usage.cached_tokens for completion in completions]
    assert sum(count > 100 for count in read) == 1


async def test_a_document_is_remembered_beyond_the_slots(engine: Engine) -> None:
    document = f"Remembered. {LONG}"
    await answer(engine, about(document))
    for number in range(9):
        await answer(engine, about(f"Number {number}. {CAFE} {TELESCOPE}", max_tokens=1))
    again = await answer(engine, about(document, "How wide is the mirror?"))
    assert again.usage.prompt_tokens - again.usage.cached_tokens < 30


async def test_what_another_client_asked_shows_in_nothing_but_the_system_prompt(engine: Engine) -> None:
    """Guessing another one's document word by word shows nothing: it reads as if it were new."""
    document = f"Secret. {LONG}"
    await answer(engine, about(document), "http.alice")
    theirs = await answer(engine, about(document), "http.mallory")
    nothing_alike = await answer(engine, about("Zebras are striped. " * 40), "http.mallory")
    assert theirs.usage.cached_tokens == nothing_alike.usage.cached_tokens
    assert 0 < theirs.usage.cached_tokens < 60


async def test_an_operator_may_share_between_all_clients() -> None:
    engine = open_engine(WorkerSettings(slots=2, share_prefixes="all", model_quantization="as-is"))
    await answer(engine, about(CAFE), "http.alice")
    shared = await answer(engine, about(CAFE), "http.bob")
    await engine.close()
    assert shared.usage.cached_tokens == shared.usage.prompt_tokens - 1


async def test_answers_given_together_on_shared_documents_are_those_given_alone(
    engine: Engine, lone_engine: Engine
) -> None:
    """Greedy. Steps are cut by time, and sums in another order may tip a near-tie: nothing else may differ."""
    queries = [about(f"Alone. {context}", question, 24) for context, question, _ in QUESTIONS]
    together = await asyncio.gather(*(answer(engine, query) for query in queries))
    alone = [await answer(lone_engine, query) for query in queries]
    pairs = [
        Pair(query.query, query.context, one.text, other.text)
        for query, one, other in zip(queries, together, alone, strict=True)
        if one.text != other.text
    ]
    forks = near_ties.measure(pairs, {"MODEL_QUANTIZATION": "as-is"})
    assert [fork for fork in forks if fork.gap_nats > NEAR_TIE_NATS] == []


async def test_a_cancelled_leader_leaves_its_reading_to_those_who_waited_for_it(engine: Engine) -> None:
    document = f"Cancelled. {LONG} {LONG} {LONG}"
    leader = asyncio.create_task(answer(engine, about(document)))
    await asyncio.sleep(0.3)
    followers = [asyncio.create_task(answer(engine, about(document, f"Question {n}?"))) for n in range(3)]
    await asyncio.sleep(1)
    leader.cancel()
    completions = await asyncio.gather(*followers)
    assert all(completion.usage.completion_tokens for completion in completions)
    assert min(completion.usage.cached_tokens for completion in completions) > 100


async def test_while_a_long_document_is_read_the_others_go_on(engine: Engine) -> None:
    talker = engine.generate(Query(query="Tell a very long story.", max_tokens=400), "http.talker")
    assert isinstance(await anext(talker), Piece)
    reader = asyncio.create_task(answer(engine, about(f"Long. {LONG * 3}", max_tokens=1)))
    await asyncio.sleep(0.1)
    pieces = 0
    while not reader.done():
        await anext(talker)
        pieces += 1
    await talker.aclose()
    assert pieces >= 5


async def test_a_short_question_overtakes_the_reading_of_a_long_document(engine: Engine) -> None:
    reader = asyncio.create_task(answer(engine, about(f"Overtaken. {LONG * 3}", max_tokens=1)))
    await asyncio.sleep(0.3)
    await answer(engine, Query(query="Hello?", max_tokens=2), "http.other")
    assert not reader.done()
    await reader


async def test_many_come_and_go_and_no_slot_is_lost(engine: Engine) -> None:
    async def one(number: int) -> bool:
        query = about(f"Document {number % 3}. {CAFE}", f"Question {number}?", max_tokens=1 + number % 6)
        try:
            async with asyncio.timeout(0.05 * (number % 5) if number % 3 == 0 else None):
                await answer(engine, query, f"http.client{number % 2}")
        except TimeoutError:
            return False
        return True

    ends = await asyncio.gather(*(one(number) for number in range(48)))
    assert sum(ends) >= 32
    began_s = time.monotonic()
    await asyncio.gather(*(answer(engine, about(CAFE, f"Who? {n}", 2)) for n in range(8)))
    assert time.monotonic() - began_s < 60
    assert engine.stalled_s < 30
