"""The order of work on the engine's thread, with a model that needs no file: it says the prompt's letters again."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from contract.errors import EngineError, NoAnswerError, PromptTooLongError, SettingsError
from contract.messages import Query, Turn
from inference_worker.engines.base import Completion, Piece
from inference_worker.llama.chat_template import Prompt
from inference_worker.llama.engine import LlamaEngine, TokenizedPrompt, answer_budget
from inference_worker.llama.kv_memory import NoRoomError
from inference_worker.llama.sequence import Span

if TYPE_CHECKING:
    from inference_worker.llama.binding.model import Model

END = 0


class Letters:
    """A sampler that says its text letter by letter."""

    def __init__(self) -> None:
        self.said = 0
        self.closed = False

    def close(self) -> None:
        self.closed = True


class FakeModel:
    """A fake model: one letter is one token. Fails or waits on demand."""

    name = "fake"
    rows = 4
    step_tokens = 8
    can_cut = True
    context_tokens = 64
    longest_token_bytes = 4

    def __init__(self) -> None:
        self.template = self.vocabulary = self
        self.files = SimpleNamespace(changed=None)
        self.samplers: list[Letters] = []
        self.memory: dict[int, list[int]] = {}
        self.failures = 0
        self.full_at: set[int] = set()
        self.full_for_several = 0
        self.steps = 0
        self.cleared = 0
        self.closed = False
        self.step_s = 0.0
        self.library_s = 0.0
        self.may_run = threading.Event()
        self.may_run.set()

    def render(self, query: str, context: str, turns: Sequence[Turn]) -> Prompt:
        if query == "?":
            raise ZeroDivisionError
        return Prompt("", context + query, "", len(context))

    def shared_prefixes(self) -> list[str]:
        return []

    def begin_tokens(self) -> list[int]:
        return []

    def tokens_within(self, tokens: list[int], size_bytes: int) -> int:
        return min(size_bytes, len(tokens))

    def tokenize(self, text: str, parse_special: bool) -> list[int]:
        return [ord(letter) for letter in text]

    def piece(self, token: int) -> bytes:
        if token == ord("!"):
            raise ZeroDivisionError
        return chr(token).encode()

    def ends_answer(self, token: int) -> bool:
        return token == END

    def sampler(self, temperature: float, top_p: float, seed: int | None) -> Letters:
        self.samplers.append(Letters())
        return self.samplers[-1]

    def decode(self, spans: list[Span]) -> list[int]:
        self.may_run.wait(5)
        time.sleep(self.step_s)
        self.steps += 1
        if self.failures:
            self.failures -= 1
            raise EngineError("llama_decode returned -3")
        if self.steps in self.full_at or (self.full_for_several and len(spans) > 1):
            self.full_for_several -= self.steps not in self.full_at
            raise NoRoomError
        assert sum(len(span.tokens) for span in spans) <= self.step_tokens + self.rows
        for span in spans:
            tokens = self.memory.setdefault(span.row, [])
            assert span.position == len(tokens), "positions must be consecutive"
            tokens.extend(span.tokens)
        return [span.row for span in spans]

    def sample(self, sampler: Letters, place: int) -> int:
        sampler.said += 1
        said = self.memory[place][sampler.said - 1 : sampler.said]
        return said[0] if said and sampler.said <= 20 else END

    def save(self, row: int) -> np.ndarray:
        return np.array(self.memory.get(row, []), np.int32)

    def restore(self, row: int, saved: np.ndarray, length: int) -> bool:
        self.memory[row] = saved.tolist()[:length]
        return True

    def truncate(self, row: int, length: int) -> bool:
        assert length <= len(self.memory[row])
        del self.memory[row][length:]
        return True

    def forget(self, row: int) -> None:
        self.memory.pop(row, None)

    def clear(self) -> None:
        self.cleared += 1
        self.memory.clear()

    def close(self) -> None:
        self.closed = True


async def test_each_step_tells_its_seconds_and_those_of_them_in_the_library(model: FakeModel) -> None:
    told: list[tuple[float, float]] = []

    def decode(spans: list[Span]) -> list[int]:
        time.sleep(0.01)
        model.library_s += 0.01
        return FakeModel.decode(model, spans)

    model.decode = decode  # type: ignore[method-assign]
    engine = LlamaEngine(cast("Model", model), on_step=lambda step_s, library_s: told.append((step_s, library_s)))
    await answer(engine, "ab")
    await engine.close()
    assert len(told) == model.steps
    assert all(step_s > library_s == pytest.approx(0.01) for step_s, library_s in told)


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
async def engine(model: FakeModel) -> AsyncIterator[LlamaEngine]:
    engine = LlamaEngine(cast("Model", model), cache_bytes=4000)
    yield engine
    model.may_run.set()
    await engine.close()
    assert all(sampler.closed for sampler in model.samplers)


async def answer(engine: LlamaEngine, query: str, max_tokens: int = 3) -> Completion:
    async for event in engine.generate(Query(query=query, max_tokens=max_tokens), "http.tests"):
        if isinstance(event, Completion):
            return event
    raise AssertionError("no completion came")


async def test_pieces_come_one_by_one_and_a_completion_last(engine: LlamaEngine) -> None:
    events = [event async for event in engine.generate(Query(query="abcdef", max_tokens=3), "http.tests")]
    assert events[:-1] == [Piece("a"), Piece("b"), Piece("c")]
    assert isinstance(events[-1], Completion)
    assert (events[-1].text, events[-1].usage.prompt_tokens, engine.tokens_generated) == ("abc", 6, 3)


async def test_any_number_of_queries_is_taken_and_each_gets_its_own_answer(engine: LlamaEngine) -> None:
    queries = [f"{number:03d}" for number in range(50)]
    completions = await asyncio.gather(*(answer(engine, query) for query in queries))
    assert [completion.text for completion in completions] == queries


async def test_a_failed_step_fails_its_query_and_the_next_is_answered(model: FakeModel, engine: LlamaEngine) -> None:
    model.failures = 1
    with pytest.raises(EngineError):
        await answer(engine, "abc")
    assert model.cleared == 1
    assert (await answer(engine, "def")).text == "def"


async def test_a_failure_after_a_step_fails_its_query_only(model: FakeModel, engine: LlamaEngine) -> None:
    with pytest.raises(EngineError):
        await answer(engine, "!bc")
    assert model.cleared == 0
    assert (await answer(engine, "def")).text == "def"


async def test_a_failure_before_the_first_step_is_an_engine_error_too(engine: LlamaEngine) -> None:
    with pytest.raises(EngineError):
        await answer(engine, "?")


async def test_a_closed_generator_stops_within_a_step(model: FakeModel, engine: LlamaEngine) -> None:
    model.step_s = 0.02
    generator = engine.generate(Query(query="abcdefghijklmnopqrst", max_tokens=20), "http.tests")
    assert await anext(generator) == Piece("a")
    await generator.aclose()
    assert (await answer(engine, "abc")).text == "abc"
    assert engine.tokens_generated <= 3 + 3


async def test_a_step_without_room_sends_the_youngest_away_and_everybody_is_answered(
    model: FakeModel, engine: LlamaEngine
) -> None:
    # Questions that arrive one after another may run alone for some steps, and a lone one is never preempted.
    model.full_for_several = 2
    completions = await asyncio.gather(*(answer(engine, query) for query in ("abcd", "efgh", "ijkl")))
    assert [completion.text for completion in completions] == ["abc", "efg", "ijk"]
    assert model.full_for_several == 0
    assert model.cleared == 0


async def test_a_single_query_without_room_fails_and_the_next_is_answered(
    model: FakeModel, engine: LlamaEngine
) -> None:
    model.full_at = {1}
    with pytest.raises(EngineError):
        await answer(engine, "abc")
    assert (await answer(engine, "def")).text == "def"


async def test_a_stalled_step_shows_and_an_idle_engine_is_never_stalled(model: FakeModel, engine: LlamaEngine) -> None:
    assert engine.stalled_s == 0
    model.may_run.clear()
    task = asyncio.create_task(answer(engine, "abc"))
    await asyncio.sleep(0.1)
    assert engine.stalled_s >= 0.05
    model.may_run.set()
    await task
    await asyncio.sleep(0.05)
    assert engine.stalled_s == 0


async def test_a_document_is_warm_for_its_client_only_once_it_was_asked_about(engine: LlamaEngine) -> None:
    query = Query(query="abc", context="a document of fifty letters, more or less", max_tokens=3)
    ours, theirs = engine.watch(query, "http.tests"), engine.watch(query, "http.others")
    assert not ours()
    async for _ in engine.generate(query, "http.tests"):
        pass
    assert ours()
    assert not theirs()


async def test_a_cancelled_query_that_waits_is_never_started(model: FakeModel, engine: LlamaEngine) -> None:
    model.may_run.clear()
    tasks = [asyncio.create_task(answer(engine, query)) for query in ("abc", "def", "ghi", "jkl", "mno")]
    await asyncio.sleep(0.05)
    tasks[-1].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[-1]
    model.may_run.set()
    await asyncio.gather(*tasks[:-1])
    assert (await answer(engine, "ghi")).text == "ghi"
    assert model.samplers[4].said == 0


async def test_closing_ends_what_runs_and_what_waits(model: FakeModel, engine: LlamaEngine) -> None:
    model.may_run.clear()
    tasks = [asyncio.create_task(answer(engine, "abcdefghij", max_tokens=10)) for _ in range(3)]
    await asyncio.sleep(0.05)
    closing = asyncio.create_task(engine.close())
    await asyncio.sleep(0.05)
    model.may_run.set()
    await closing
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(outcome, EngineError) for outcome in outcomes)
    assert model.closed


async def test_a_closed_engine_refuses_and_may_be_closed_again(engine: LlamaEngine) -> None:
    await engine.close()
    with pytest.raises(EngineError):
        await answer(engine, "abc")
    await engine.close()


async def test_the_loop_goes_on_while_a_step_runs(model: FakeModel, engine: LlamaEngine) -> None:
    model.may_run.clear()
    task = asyncio.create_task(answer(engine, "abc"))
    began_s = time.monotonic()
    await asyncio.sleep(0.05)
    assert time.monotonic() - began_s < 1
    assert not task.done()
    model.may_run.set()
    await task


async def test_a_prompt_that_does_not_fit_is_refused_before_any_step(model: FakeModel, engine: LlamaEngine) -> None:
    with pytest.raises(PromptTooLongError) as refusal:
        await answer(engine, "a" * 70, max_tokens=4)
    assert (refusal.value.prompt_tokens, refusal.value.limit_tokens) == (70, 60)
    assert model.steps == 0


def test_a_prompt_leaves_room_for_the_whole_answer() -> None:
    assert answer_budget(TokenizedPrompt([0] * 872, 800, 3200), 128, context_tokens=1000) == 128
    with pytest.raises(PromptTooLongError) as refusal:
        answer_budget(TokenizedPrompt([0] * 873, 800, 3200), 128, context_tokens=1000)
    assert refusal.value.limit_tokens == 872


def test_an_answer_longer_than_the_context_gets_what_is_left() -> None:
    assert answer_budget(TokenizedPrompt([0] * 500, 450, 1800), 32_768, context_tokens=1000) == 500
    with pytest.raises(PromptTooLongError):
        answer_budget(TokenizedPrompt([0] * 751, 700, 2800), 32_768, context_tokens=1000)


def test_what_to_cut_follows_the_texts_own_density_and_is_never_more_than_the_text() -> None:
    with pytest.raises(PromptTooLongError) as refusal:
        answer_budget(TokenizedPrompt([0] * 1000, 900, 3600), 100, context_tokens=1000)
    assert refusal.value.cut_chars == 420
    with pytest.raises(PromptTooLongError) as refusal:
        answer_budget(TokenizedPrompt([0] * 10_000, 10, 40), 100, context_tokens=1000)
    assert refusal.value.cut_chars == 40


async def test_a_model_whose_file_was_written_to_gives_no_answer() -> None:
    model = FakeModel()
    engine = LlamaEngine(cast("Model", model))
    model.files.changed = Path("m.gguf")
    assert engine.blocker == "The model's file m.gguf was written to while it runs."
    with pytest.raises(EngineError, match="was written to while it runs"):
        _ = [event async for event in engine.generate(Query(query="ab"), "http.a")]
    await engine.close()


async def test_a_model_whose_first_step_fails_is_not_ready() -> None:
    model = FakeModel()
    model.failures = 1
    model.shared_prefixes = lambda: ["ab"]  # type: ignore[method-assign]
    engine = LlamaEngine(cast("Model", model))
    with pytest.raises(SettingsError, match=r"^MODEL_NAME: fake can't evaluate its own prompt"):
        engine.warm_up()
    assert model.closed


@pytest.mark.parametrize("text", ["<think>hm</think>ab", "<think>h</think>\n\nab"])
async def test_what_a_model_thinks_is_no_part_of_its_answer(engine: LlamaEngine, text: str) -> None:
    """The model repeats its prompt."""
    events = [event async for event in engine.generate(Query(query=text, max_tokens=len(text)), "http.a")]
    assert "".join(event.text for event in events[:-1]) == events[-1].text == "ab"


async def test_thoughts_alone_are_no_answer_and_are_not_asked_for_again(engine: LlamaEngine) -> None:
    with pytest.raises(NoAnswerError) as raised:
        _ = [event async for event in engine.generate(Query(query="<think>hm", max_tokens=9), "http.a")]
    assert not raised.value.is_passing


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_an_engine_whose_thread_has_ended_says_so() -> None:
    """Whatever ended it: no query is answered any more, and the process must be started again."""

    def break_down(step_s: float, library_s: float) -> None:
        raise ZeroDivisionError

    engine = LlamaEngine(cast("Model", FakeModel()), on_step=break_down)
    with pytest.raises(EngineError):
        _ = [event async for event in engine.generate(Query(query="ab"), "http.a")]
    engine._steps._thread.join()
    assert engine.blocker == "The thread that runs the model has ended."
    await engine.close()


async def test_a_forgotten_document_is_not_warm_any_more(engine: LlamaEngine) -> None:
    query = Query(query="ab", context="the document of before", max_tokens=2)
    _ = [event async for event in engine.generate(query, "http.a")]
    is_warm = engine.watch(query, "http.a")
    assert is_warm()
    await engine.forget()
    assert not is_warm()


async def test_a_closed_engine_has_forgotten(engine: LlamaEngine) -> None:
    await engine.close()
    await engine.forget()
