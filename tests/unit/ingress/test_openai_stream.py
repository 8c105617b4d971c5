"""The text of a stream that can take nothing back, whatever happens to its job."""

from collections.abc import AsyncGenerator

import pytest

from contract.messages import Answer, Failure, Timings, TokenEvent, Usage
from ingress.api import following
from ingress.api.following import Accepted, Ended, Happening, Restarted, Waiting
from ingress.api.openai.text_stream import StillWaiting, grown
from ingress.jobs.positions import Position
from ingress.problems import Problem


def answer_of(text: str) -> Answer:
    return Answer(id="1", answer=text, finish_reason="stop", model="m", usage=Usage(1, 1), timings=Timings(0, 0, 0, 0))


def piece(text: str, index: int, attempt: int = 1) -> TokenEvent:
    return TokenEvent(attempt, index, text)


async def texts(*happenings: Happening) -> list[str]:
    """The pieces; the answer that follows them is held to their text."""

    async def happen() -> AsyncGenerator[Happening, None]:
        yield Accepted()
        for happening in happenings:
            yield happening

    *pieces, answer = [one async for one in grown("1", happen())]
    assert isinstance(answer, Answer)
    assert "".join(map(str, pieces)) == answer.answer
    return [str(one) for one in pieces]


async def test_each_piece_is_sent_as_it_comes() -> None:
    assert await texts(piece("a", 0), piece("b", 1), Ended(answer_of("ab"))) == ["a", "b"]


async def test_what_is_missing_comes_with_the_answer() -> None:
    assert await texts(piece("a", 0), Ended(answer_of("abc"))) == ["a", "bc"]


async def test_after_a_lost_piece_the_rest_waits_for_the_answer() -> None:
    assert await texts(piece("a", 0), piece("c", 2), piece("d", 3), Ended(answer_of("abcd"))) == ["a", "bcd"]


async def test_an_attempt_that_says_the_same_again_goes_on_where_the_last_one_broke_off() -> None:
    again = [piece("a", 0, 2), piece("b", 1, 2), piece("c", 2, 2)]
    found = await texts(piece("a", 0), piece("b", 1), Restarted(2), *again, Ended(answer_of("abc")))
    assert found == ["a", "b", "c"]


@pytest.mark.parametrize("again", [[piece("x", 0, 2)], []])
async def test_an_attempt_that_says_something_else_ends_the_stream(again: list[TokenEvent]) -> None:
    with pytest.raises(Problem) as found:
        await texts(piece("a", 0), Restarted(2), *again, Ended(answer_of("xyz")))
    assert found.value.kind == "answer-changed"


async def test_a_failure_and_a_stop_of_the_service_are_problems() -> None:
    for result, kind in (
        (Failure(id="1", code="engine-error", detail="It broke."), "engine-error"),
        (None, "stopping"),
    ):
        with pytest.raises(Problem) as found:
            await texts(Ended(result))
        assert found.value.kind == kind


async def test_changing_positions_do_not_keep_the_comment_from_coming() -> None:
    now_s = iter(range(0, 100, 5))

    async def happen() -> AsyncGenerator[Happening, None]:
        for number in range(6):
            yield Position(number)
        yield Waiting()
        yield Ended(answer_of(""))

    comments = [one async for one in grown("1", happen(), lambda: next(now_s)) if isinstance(one, StillWaiting)]
    assert len(comments) == 2
    assert following.KEEP_ALIVE_S == 15
