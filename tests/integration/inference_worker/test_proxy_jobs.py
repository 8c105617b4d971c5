"""Jobs that the proxy answers, or does not: through the worker, on a real bus."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from contract.bus import Bus
from contract.messages import Answer, Failure, TokenEvent
from inference_worker.engines.base import Engine
from inference_worker.engines.fallback import Fallback
from inference_worker.proxy import retries
from tests.integration.inference_worker.test_proxy import asking
from tests.support.bus_side import dead_letters, new_job, overheard, publish, result_of
from tests.support.engines import Narrow, Stumbling
from tests.support.nats_server import RunningServer
from tests.support.openai_api import Api, breaks_off, refuses, serving
from tests.support.worker_side import working


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with serving() as api:
        yield api


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "_FIRST_S", 0.01)


async def test_an_answer_that_the_proxy_breaks_off_is_begun_anew_in_a_new_attempt(
    server: RunningServer, admin: Bus, api: Api
) -> None:
    api.script.append(breaks_off("Half of"))
    job = new_job()
    async with asking(api, admin) as engine, working(server, engine), overheard(admin, job.tokens_subject) as heard:
        await publish(admin, job=job)
        answer = await result_of(admin, job)
    assert isinstance(answer, Answer)
    assert (answer.answer, answer.backend, answer.model) == ("It was Ada.", "proxy", "recorded")
    events = [msgspec.json.decode(message.data, type=TokenEvent) for message in heard]
    assert [(event.attempt, event.index) for event in events] == [(1, 0), (2, 0), (2, 1), (2, 2)]


async def test_what_the_proxy_can_not_answer_now_is_kept_for_a_replay_and_its_attempts_are_not_used_up(
    server: RunningServer, admin: Bus, api: Api
) -> None:
    api.usually = refuses(401)
    async with asking(api, admin) as engine, working(server, engine):
        job = await publish(admin, "Whose is AKIAZ7VRSQ5TJN2XMPLB?")
        failure = await result_of(admin, job)
        [letter] = (await dead_letters(admin)).values()
    assert isinstance(failure, Failure)
    assert (failure.code, failure.attempts, failure.dead_letter) == ("proxy-error", 1, True)
    assert "COPILOT_API_KEY (401)" in failure.detail
    assert letter.reason == "proxy-error"
    assert letter.query
    assert "AKIA" not in letter.query.query
    assert len(api.requests) == 1


async def test_what_the_proxy_will_never_answer_is_no_dead_letter(server: RunningServer, admin: Bus, api: Api) -> None:
    api.usually = refuses(422)
    async with asking(api, admin) as engine, working(server, engine):
        failure = await result_of(admin, await publish(admin))
        assert not await dead_letters(admin)
    assert isinstance(failure, Failure)
    assert (failure.code, failure.dead_letter) == ("proxy-error", False)


@pytest.mark.parametrize(("near", "attempts"), [(Narrow(), 1), (Stumbling(), 2)], ids=["too-long", "broken-off"])
async def test_the_proxy_answers_what_the_local_engine_can_not(
    server: RunningServer, admin: Bus, api: Api, near: Engine, attempts: int
) -> None:
    async with asking(api, admin) as far, working(server, Fallback(near, far)):
        job = new_job()
        async with overheard(admin, job.tokens_subject) as heard:
            await publish(admin, job=job)
            answer = await result_of(admin, job)
    assert isinstance(answer, Answer)
    assert (answer.backend, answer.model) == ("proxy", "recorded")
    assert msgspec.json.decode(heard[-1].data, type=TokenEvent).attempt == attempts
