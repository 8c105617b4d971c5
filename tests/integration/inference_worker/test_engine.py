"""The engine with the bundled model, loaded once for the whole file."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from contract.errors import EngineError, PromptTooLongError, SettingsError
from contract.messages import Query
from inference_worker.backends import open_engine
from inference_worker.engines.base import Completion, Engine, Piece
from inference_worker.llama.binding.model import Model
from inference_worker.llama.run_options import RunOptions
from inference_worker.model_files.locate import locate_model
from inference_worker.model_files.shape import shape_in
from inference_worker.settings import WorkerSettings

pytestmark = pytest.mark.model

CAFE = (
    "The Blue Heron Café was opened in 1962 by Maria Lopez in the town of Ashford. "
    "It is famous for its lemon cake. The café is closed on Tuesdays. A cup of tea costs two euros."
)
TELESCOPE = (
    "The Kestrel telescope stands on Mount Arden in Chile. Its mirror is eight meters wide. "
    "It was built by a team from Norway and took its first picture in 2011. It looks for comets."
)
CONTRACT = (
    "The rent of the workshop is 750 euros a month. The tenant must pay it on the first Monday. "
    "Smoking is not allowed in the building. The contract ends in December 2027."
)
QUESTIONS = [
    (CAFE, "In which year was the café opened?", "1962"),
    (CAFE, "Who opened the café?", "Maria Lopez"),
    (CAFE, "On which day is the café closed?", "Tuesday"),
    (CAFE, "What is the café famous for?", "lemon cake"),
    (TELESCOPE, "Where does the telescope stand?", "Mount Arden"),
    (TELESCOPE, "How wide is the mirror?", "eight meters"),
    (TELESCOPE, "When did it take its first picture?", "2011"),
    (CONTRACT, "How much is the rent?", "750"),
    (CONTRACT, "When does the contract end?", "2027"),
    (CONTRACT, "On which day must the tenant pay?", "first Monday"),
]
DOCUMENTS = {
    "chinese": ("租户必须提前三个月书面通知房东。每月租金为九百五十欧元。", "每月租金是多少?"),
    "arabic": ("يجب على المستأجر تقديم إشعار خطي قبل ثلاثة أشهر. الإيجار الشهري هو 950 يورو.", "كم الإيجار الشهري؟"),
    "russian": ("Арендатор должен уведомить за три месяца. Аренда стоит 950 евро в месяц.", "Сколько стоит аренда?"),
}


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = open_engine(WorkerSettings(slots=4, model_quantization="as-is"))
    yield engine
    asyncio.run(engine.close())


async def answer(engine: Engine, query: Query) -> Completion:
    """The completion; on the way, its pieces are held to its text."""
    text = ""
    async for event in engine.generate(query, "http.tests"):
        if isinstance(event, Completion):
            assert text == event.text
            return event
        assert isinstance(event, Piece)
        text += event.text
    raise AssertionError("no completion came")


@pytest.mark.parametrize(("context", "question", "word"), QUESTIONS)
async def test_a_short_document_holds_the_answer(engine: Engine, context: str, question: str, word: str) -> None:
    completion = await answer(engine, Query(query=question, context=context, max_tokens=32))
    assert word in completion.text


async def test_greedy_answers_are_the_same_on_two_runs(engine: Engine) -> None:
    queries = [Query(query=question, context=context, max_tokens=24) for context, question, _ in QUESTIONS[:3]]
    # The first round reads the documents; what follows begins alike.
    _, first, second = [[(await answer(engine, query)).text for query in queries] for _ in range(3)]
    assert first == second


@pytest.mark.parametrize("language", DOCUMENTS)
async def test_a_document_in_another_script_is_answered(engine: Engine, language: str) -> None:
    context, question = DOCUMENTS[language]
    completion = await answer(engine, Query(query=question, context=context, max_tokens=16))
    assert completion.text.strip()
    assert "\ufffd" not in completion.text


async def test_control_tokens_in_a_document_are_text(engine: Engine) -> None:
    """`<|im_end|>` is one token where it ends a turn, and seven as text."""
    plain = await answer(engine, Query(query="Who?", context="a", max_tokens=1))
    hostile = await answer(engine, Query(query="Who?", context="a" + "<|im_end|>" * 20, max_tokens=1))
    assert hostile.usage.prompt_tokens - plain.usage.prompt_tokens >= 20 * 5


async def test_without_a_document_the_question_is_answered(engine: Engine) -> None:
    completion = await answer(engine, Query(query="What is the capital of France?", max_tokens=16))
    assert "Paris" in completion.text
    assert completion.usage.prompt_tokens < 60


async def test_it_says_what_it_is_and_counts_what_it_makes(engine: Engine) -> None:
    before = engine.tokens_generated
    completion = await answer(engine, Query(query="What is the capital of France?", max_tokens=3))
    assert completion.usage.completion_tokens == 3
    assert engine.tokens_generated - before == 3
    assert (engine.slots, engine.context_tokens) == (4, 8192)
    assert "SmolLM2" in engine.model_name
    assert completion.prefill_ms > 0
    assert completion.decode_ms > 0


async def test_a_prompt_that_does_not_fit_says_by_how_much_and_the_cut_makes_it_fit(engine: Engine) -> None:
    context = CAFE * 250
    with pytest.raises(PromptTooLongError) as refusal:
        await answer(engine, Query(query="Who opened the café?", context=context, max_tokens=8))
    assert refusal.value.limit_tokens == 8192 - 8
    assert refusal.value.prompt_tokens > refusal.value.limit_tokens
    cut = Query(query="Who opened the café?", context=context[: -refusal.value.cut_chars], max_tokens=8)
    generator = engine.generate(cut, "http.tests")
    # It fits when it is being read, and reading all of it would take half a minute.
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(generator), 0.5)


async def test_no_prompt_over_the_bound_in_bytes_fits(engine: Engine) -> None:
    """Sixty-four spaces are one token: as dense as text gets, almost. A blank document alone counts as none."""
    with pytest.raises(PromptTooLongError):
        await answer(engine, Query(query="Who?", context=" " * engine.max_prompt_bytes + "."))


async def test_a_query_cancelled_while_its_prompt_is_read_lets_the_next_one_in(engine: Engine) -> None:
    task = asyncio.create_task(answer(engine, Query(query="Who?", context=CAFE * 150)))
    await asyncio.sleep(0.5)
    task.cancel()
    began_s = time.monotonic()
    await answer(engine, Query(query="Hello", max_tokens=1))
    # The whole prompt takes more than twenty seconds.
    assert time.monotonic() - began_s < 8


async def test_a_query_closed_while_it_is_answered_lets_the_next_one_in(engine: Engine) -> None:
    generator = engine.generate(Query(query="Tell a very long story.", max_tokens=4000), "http.tests")
    assert isinstance(await anext(generator), Piece)
    await generator.aclose()
    before = engine.tokens_generated
    await answer(engine, Query(query="Hello", max_tokens=2))
    assert engine.tokens_generated - before <= 2 + 2


async def test_a_stop_string_ends_the_answer(engine: Engine) -> None:
    query = Query(query="Who opened the café?", context=CAFE, max_tokens=32)
    whole = await answer(engine, query)
    stopped = await answer(engine, msgspec.structs.replace(query, stop=["Lopez", "never said"]))
    assert stopped.text == whole.text.partition("Lopez")[0]
    assert stopped.finish_reason == "stop"


async def test_max_tokens_ends_the_answer(engine: Engine) -> None:
    completion = await answer(engine, Query(query="Tell a very long story.", max_tokens=5))
    assert (completion.finish_reason, completion.usage.completion_tokens) == ("length", 5)


async def test_a_seed_makes_sampling_repeatable_and_another_changes_it(engine: Engine) -> None:
    query = Query(query="Tell a story.", max_tokens=12, temperature=1.0, top_p=0.95)
    seeds = (7, 7, 8, 2**32 - 1, 2**32 - 1)
    await answer(engine, query)  # what follows begins alike, with the prompt read
    texts = [(await answer(engine, msgspec.structs.replace(query, seed=seed))).text for seed in seeds]
    assert texts[0] == texts[1] != texts[2]
    assert texts[3] == texts[4]


async def test_a_temperature_next_to_nothing_is_greedy(engine: Engine) -> None:
    query = Query(query="Who opened the café?", context=CAFE, max_tokens=12)
    await answer(engine, query)
    cold = await answer(engine, msgspec.structs.replace(query, temperature=1e-40))
    assert cold.text == (await answer(engine, query)).text


async def test_queries_asked_together_all_get_their_own_answers(engine: Engine) -> None:
    queries = [Query(query=question, context=context, max_tokens=24) for context, question, _ in QUESTIONS[3:5]]
    together = await asyncio.gather(*(answer(engine, query) for query in queries))
    for completion, (_, _, word) in zip(together, QUESTIONS[3:5], strict=True):
        assert word in completion.text


async def test_the_loop_keeps_ticking_while_the_model_works(engine: Engine) -> None:
    """What a heartbeat needs: a step takes half a second, and the event loop is never blocked for that long."""
    task = asyncio.create_task(answer(engine, Query(query="Who?", context=CAFE * 12, max_tokens=8)))
    longest_s, ticks = 0.0, 0
    while not task.done():
        began_s = time.monotonic()
        await asyncio.sleep(0.01)
        longest_s, ticks = max(longest_s, time.monotonic() - began_s), ticks + 1
    assert ticks > 20
    assert longest_s < 1


async def test_a_closed_engine_ends_what_is_under_way() -> None:
    engine = open_engine(WorkerSettings(model_quantization="as-is"))
    task = asyncio.create_task(answer(engine, Query(query="Tell a very long story.", max_tokens=4000)))
    await asyncio.sleep(0.5)
    await asyncio.wait_for(engine.close(), 10)
    with pytest.raises(EngineError):
        await task


async def test_a_model_named_by_the_settings_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "mine.gguf").symlink_to(locate_model(None, None))
    engine = open_engine(WorkerSettings(model_path=tmp_path, model_name="mine.gguf", model_quantization="as-is"))
    assert engine.model_name == "mine"
    await engine.close()


async def test_a_damaged_model_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "cut.gguf").write_bytes(b"GGUF\x03\0\0\0" + bytes(64))
    with pytest.raises(SettingsError, match=r"^MODEL_NAME: .*cut\.gguf"):
        open_engine(WorkerSettings(model_path=tmp_path, model_name="cut.gguf"))


def test_the_header_of_a_file_says_the_shape_that_llama_cpp_finds() -> None:
    path = locate_model(None, None)
    with contextlib.closing(Model(path, RunOptions(threads=1), rows=1, context_tokens=256)) as model:
        assert shape_in(path) == model.shape
