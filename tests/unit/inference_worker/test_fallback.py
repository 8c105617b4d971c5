"""One engine behind another."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime

import pytest

from contract.errors import BudgetExhaustedError, EngineError, PromptTooLongError, ProxyError
from contract.messages import Query
from inference_worker.engines.base import Completion, Piece
from inference_worker.engines.echo import EchoEngine
from inference_worker.engines.fallback import Fallback

QUESTION = Query(query="Who was it?")
TOO_LONG = PromptTooLongError(9000, 8000, 4200)
USED_UP = BudgetExhaustedError("Used up.", datetime(2026, 1, 1, tzinfo=UTC))


class Named(EchoEngine):
    """Answers, or raises after so many pieces."""

    def __init__(self, name: str, error: EngineError | None = None, pieces: int = 0) -> None:
        super().__init__(slots=2)
        self.model_name = name
        self.error = error
        self.asked = 0
        self._pieces = pieces

    def needs_slot(self, query: Query) -> bool:
        return True

    async def count_tokens(self, text: str) -> int:
        return len(text.split())

    async def generate(self, query: Query, owner: str) -> AsyncGenerator[Piece | Completion, None]:
        self.asked += 1
        if self.error:
            for _ in range(self._pieces):
                yield Piece("Well")
            raise self.error
        async for event in super().generate(query, owner):
            yield event


async def answered(engine: Fallback, question: Query = QUESTION) -> Completion:
    *_, last = [event async for event in engine.generate(question, "alice.c1")]
    assert isinstance(last, Completion)
    return last


async def test_the_first_answers_what_it_can_and_the_second_is_left_alone() -> None:
    first, second = Named("near"), Named("far")
    completion = await answered(Fallback(first, second))
    assert (completion.model, completion.text) == ("near", "Who was it?")
    assert second.asked == 0


@pytest.mark.parametrize(
    "error", [TOO_LONG, USED_UP, EngineError(), ProxyError("Down.")], ids=lambda e: type(e).__name__
)
async def test_what_the_first_can_not_answer_the_second_does(error: EngineError) -> None:
    completion = await answered(Fallback(Named("near", error), Named("far")))
    assert (completion.model, completion.text) == ("far", "Who was it?")


async def test_an_answer_that_was_begun_is_begun_anew_by_the_second_in_the_next_attempt() -> None:
    first, second = Named("near", EngineError("Stumbled."), pieces=1), Named("far")
    engine = Fallback(first, second)
    with pytest.raises(EngineError, match="Stumbled"):
        await answered(engine, Query(query="Who was it?", deadline_s=30))
    completion = await answered(engine, Query(query="Who was it?", deadline_s=20))
    assert (completion.model, first.asked) == ("far", 1)
    first.error = None
    assert (await answered(engine)).model == "near"


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (TOO_LONG, USED_UP, USED_UP),
        (TOO_LONG, ProxyError("Down."), "Down."),
        (EngineError("Stumbled."), USED_UP, "Stumbled."),
        (EngineError("Stumbled."), ProxyError("Down."), "Down."),
        (ProxyError("Down."), TOO_LONG, "Down."),
        (USED_UP, EngineError("Stumbled."), "Stumbled."),
    ],
)
async def test_where_neither_answers_the_more_telling_error_is_told(
    first: EngineError, second: EngineError, told: object
) -> None:
    with pytest.raises(EngineError) as raised:
        await answered(Fallback(Named("near", first), Named("far", second)))
    assert str(raised.value) == str(told)


async def test_both_are_closed() -> None:
    first, second = Named("near"), Named("far")
    await Fallback(first, second).close()
    for engine in (first, second):
        with pytest.raises(EngineError, match="stopped"):
            await answered(Fallback(engine, engine))
