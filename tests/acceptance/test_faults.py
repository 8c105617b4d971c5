"""Faults that were seen on running stacks, each with its smallest input: what comes after them is answered."""

import asyncio
import shutil
from pathlib import Path

import pytest

from inference_worker.model_files.locate import locate_model
from tests.support.openai_api import says, serving
from tests.support.stack import Start

QUESTION = "What is the capital of France?"


async def test_an_answer_larger_than_the_bus_accepts_fails_after_one_call_and_holds_up_nobody(start: Start) -> None:
    async with serving() as api:
        settings = {"DOCQA_BACKEND": "proxy", "COPILOT_API_URL": api.url, "DOCQA_PROXY_MODEL": "far"}
        stack = await asyncio.to_thread(start, environment=settings)
        async with stack.client() as client:
            api.script.append(says("x" * 1_300_000))
            refused = await client.ask(query="Who?")
            assert refused.status_code == 502
            assert "more than the bus accepts" in refused.json()["detail"]
            assert (await client.ask(query="And of Spain?")).status_code == 200
        assert len(api.requests) == 2


@pytest.mark.model
async def test_a_model_that_is_written_over_while_it_runs_answers_again_from_the_new_file(
    start: Start, tmp_path: Path
) -> None:
    source, model = locate_model(None, None), tmp_path / "own.gguf"
    await asyncio.to_thread(shutil.copyfile, source, model)
    settings = {"MODEL_PATH": str(tmp_path), "MODEL_NAME": model.name, "MODEL_QUANTIZATION": "as-is"}
    stack = await asyncio.to_thread(start, engine="llama", slots=2, environment=settings)
    async with stack.client() as client:
        assert (await client.ask(QUESTION, max_tokens=16)).json()["answer"].strip()
        first = stack.pid("worker")
        await asyncio.to_thread(shutil.copyfile, source, model)
        await stack.alive("worker", not_pid=first, timeout_s=90)
        assert (await client.ask(QUESTION, max_tokens=16)).json()["answer"].strip()
