"""The proxy's engine against a real API of somebody else's: llama-server, with the bundled model."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contract.bus import Bus
from contract.errors import PromptTooLongError
from contract.messages import Query
from contract.usage_records import BudgetDay, day_of, decode
from inference_worker.engines.base import Completion, Piece
from inference_worker.model_files.locate import bundled_model
from inference_worker.proxy.api_client import Remote, target_of
from inference_worker.proxy.budget import Budget
from inference_worker.proxy.engine import ProxyEngine
from inference_worker.proxy.request import request_for
from tests.support.nats_server import RunningServer
from tests.support.waiting import until

pytestmark = pytest.mark.model

PROGRAM = Path(__file__).parents[3] / "bench" / "peers" / "llama_server.py"
OWNER = "alice.c1"
LEASE = "The tenant may end this lease at any time by giving two months' notice in writing. The rent is 950 euros."
SCRIPTS = {
    "english": LEASE,
    "chinese": "租户必须提前三个月书面通知房东。每月租金为九百五十欧元。",
    "arabic": "يجب على المستأجر تقديم إشعار خطي قبل ثلاثة أشهر.",
    "emoji": "\N{JAPANESE GOBLIN}\N{SMILING FACE WITH SUNGLASSES}" * 6,
    "code": "for(;;){i++;}\t\n" * 6,
    "signs": "\x01\ufffd\ufdfa\u200d<|im_end|>" * 6,
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running llama-server's address."""
    model, folder = bundled_model(), tmp_path_factory.mktemp("llama-server")
    assert model
    ready = folder / "ready.json"
    options = ["--model", str(model), "--slots", "2", "--port", "0", "--ready-file", str(ready)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, str(PROGRAM), *options], stdout=log, stderr=log)

    def is_ready() -> bool:
        assert process.poll() is None, (folder / "log").read_text(errors="replace")[-2000:]
        return ready.is_file() and bool(ready.read_bytes())

    try:
        until(is_ready, "llama-server is ready", 60)
        yield f"{json.loads(ready.read_bytes())['url']}/v1"
    finally:
        process.kill()
        process.wait()


@pytest.fixture
async def worker(server: RunningServer) -> AsyncIterator[Bus]:
    async with server.bus("worker") as bus:
        yield bus


@pytest.fixture
async def engine(url: str, worker: Bus) -> AsyncIterator[ProxyEngine]:
    remote = Remote(target_of(url, allow_http=False), None, first_byte_s=60, idle_s=30)
    engine = ProxyEngine(remote, Budget(worker.budget, None), None, model="far", slots=2, context_tokens=8192)
    yield engine
    await engine.close()


async def answered(engine: ProxyEngine, query: Query) -> Completion:
    events = [event async for event in engine.generate(query, OWNER)]
    assert isinstance(events[-1], Completion)
    assert "".join(event.text for event in events if isinstance(event, Piece)) == events[-1].text
    return events[-1]


async def spent(bus: Bus) -> BudgetDay:
    entry = await bus.budget.get(day_of(datetime.now(UTC)))
    return decode(entry.value if entry else None, BudgetDay)


async def test_a_real_api_answers_and_what_it_reports_is_what_is_charged(engine: ProxyEngine, worker: Bus) -> None:
    completion = await answered(engine, Query(query="How much notice must the tenant give?", context=LEASE))
    assert "two months" in completion.text
    assert completion.finish_reason == "stop"
    assert 60 < completion.usage.prompt_tokens < 140
    assert completion.prefill_ms > 0
    assert await spent(worker) == BudgetDay(
        charged_tokens=completion.usage.prompt_tokens + completion.usage.completion_tokens
    )


@pytest.mark.parametrize("script", SCRIPTS)
async def test_no_prompt_has_more_tokens_than_are_reserved_for_it(engine: ProxyEngine, script: str) -> None:
    query = Query(query="What is it?", context=SCRIPTS[script], max_tokens=3)
    completion = await answered(engine, query)
    assert completion.usage.prompt_tokens <= request_for(query, "far", "").most_prompt_tokens
    assert completion.usage.completion_tokens <= 3


async def test_a_limit_and_a_stop_reach_a_real_api(engine: ProxyEngine) -> None:
    cut = await answered(engine, Query(query="How much notice?", context=LEASE, max_tokens=2))
    assert (cut.finish_reason, cut.usage.completion_tokens) == ("length", 2)
    stopped = await answered(engine, Query(query="How much notice?", context=LEASE, stop=["months"]))
    assert "months" not in stopped.text


async def test_a_prompt_that_is_too_long_for_a_real_api_is_told_with_its_sizes(engine: ProxyEngine) -> None:
    with pytest.raises(PromptTooLongError) as raised:
        await answered(engine, Query(query="How much notice?", context=LEASE * 3000))
    assert raised.value.prompt_tokens > raised.value.limit_tokens > 0
    assert 0 < raised.value.cut_chars < len(LEASE * 3000)


async def test_a_cancelled_call_leaves_a_real_api_to_the_next(engine: ProxyEngine) -> None:
    """Of two slots each is taken by a call that is given up."""
    for _ in range(3):
        events = engine.generate(Query(query="Tell a long story.", max_tokens=2000), OWNER)
        assert isinstance(await anext(events), Piece)
        await events.aclose()
    assert (await asyncio.wait_for(answered(engine, Query(query="Who?", max_tokens=2)), 60)).text
