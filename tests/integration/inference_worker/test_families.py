"""Models of several families, tiny and of random weights, answer together as each would alone in a fresh engine.

What is shared between questions differs from family to family: sliding windows and states can't be shortened.
"""

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Final

import pytest

from contract.messages import Query
from inference_worker.engines.base import Completion
from inference_worker.llama.binding.model import Model
from inference_worker.llama.engine import LlamaEngine
from inference_worker.llama.run_options import RunOptions
from tests.support.tiny_models import FAMILIES, tiny_model

pytestmark = pytest.mark.model

DOCUMENTS: Final = [
    "The kettle in the hall holds two litres. It was bought in May by a man from Leeds. " * 2,
    "A lease of nine pages says that the rent is due on the first Monday of each month. " * 2,
]
QUESTIONS: Final = [
    (document, question)
    for question in ("How much?", "When was it?", "Who?", "What colour is the roof of the hall?")
    for document in DOCUMENTS
]


def opened(path: Path, rows: int, cache_bytes: int = 2**26) -> LlamaEngine:
    options = RunOptions(threads=1, step_tokens=64)
    return LlamaEngine(Model(path, options, rows, 1024), cache_bytes=cache_bytes)


async def answer(engine: LlamaEngine, document: str, question: str) -> Completion:
    query = Query(query=question, context=document, max_tokens=12, temperature=0.0)
    async with aclosing(engine.generate(query, "http.tests")) as events:
        async for event in events:
            if isinstance(event, Completion):
                return event
    raise AssertionError("no completion came")


async def alone(path: Path) -> list[str]:
    """Each question in an engine of its own, which has read nothing before."""
    texts = []
    for document, question in QUESTIONS:
        engine = opened(path, 1, 0)
        texts.append((await answer(engine, document, question)).text)
        await engine.close()
    return texts


async def together(path: Path, rows: int) -> list[Completion]:
    """All at once, and once more one after another."""
    engine = opened(path, rows)
    found = await asyncio.gather(*(answer(engine, document, question) for document, question in QUESTIONS))
    found += [await answer(engine, document, question) for document, question in QUESTIONS]
    await engine.close()
    return found


@pytest.mark.parametrize("family", FAMILIES)
async def test_questions_at_once_are_answered_as_each_alone(tmp_path: Path, family: str) -> None:
    path = tiny_model(tmp_path / f"{family}.gguf", family)
    expected = await alone(path)
    assert len(set(expected)) > 2, "the answers do not depend on the questions"
    for rows in (8, 2):
        found = await together(path, rows)
        assert [one.text for one in found] == [*expected, *expected]
        # Each document is read once; the template's beginning is 181 tokens.
        assert all(one.usage.cached_tokens > 300 for one in found[len(DOCUMENTS) :])
