"""No client takes more than its part: of the queue's places, and of requests in a time."""

import asyncio
from pathlib import Path

from contract import topology
from tests.support.callers import Callers
from tests.support.client import problem, retry_after_s
from tests.support.ledger import queue_is_empty, stored_subjects
from tests.support.stack import Stack, Start
from tests.support.waiting import eventually


async def test_who_comes_too_often_is_refused_and_told_when_to_come_back(start: Start, tmp_path: Path) -> None:
    """A token's own rate goes before that of all."""
    callers = Callers(tmp_path)
    callers.create("alice")
    callers.create("bob", "--rate", "1/hour")
    stack = start(environment={"DOCQA_TOKENS": str(callers.path), "DOCQA_RATE_LIMIT": "3/second"})
    async with callers.client(stack, "alice") as alice, callers.client(stack, "bob") as bob:
        answers = await asyncio.gather(*(alice.post("Again?") for _ in range(20)))
        refused = [answer for answer in answers if answer.status_code == 429]
        assert 10 <= len(refused) < 20
        body = problem(refused[0], 429, "rate-limited")
        assert (body["limit"], body["window_s"]) == (3, 1)
        for answer in answers:
            assert answer.headers["ratelimit-policy"] == '"default";q=3;w=1'
            assert answer.headers["ratelimit"].startswith('"default";r=')
        await asyncio.sleep(retry_after_s(refused[-1]))
        assert (await alice.post("And now?")).status_code == 202

        assert (await bob.ask("Once?")).status_code == 200
        response = await bob.ask("Twice?")
        problem(response, 429, "rate-limited")
        assert retry_after_s(response) > 3000
        assert (await alice.post("Alice still?")).status_code == 202
        health = await alice.health()
    assert health["rate_limit"] == {"enabled": True, "limit": 3, "window_s": 1, "client_share": 1.0}


async def test_without_a_rate_no_answer_speaks_of_one(echo: Stack) -> None:
    async with echo.client() as client:
        answer = await client.ask("Who?")
        assert "ratelimit" not in answer.headers
        assert (await client.health())["rate_limit"] == {"enabled": False, "client_share": 1.0}


async def test_a_client_holds_its_share_of_the_queue_and_no_more(start: Start, tmp_path: Path) -> None:
    """Also after the ingress was killed: the stream knows who holds what. Nothing of what is refused is published."""
    callers = Callers(tmp_path)
    callers.create("alice")
    callers.create("bob", "--share", "1")
    environment = {"DOCQA_TOKENS": str(callers.path), "DOCQA_CLIENT_SHARE": "0.3"}
    stack = start(queue_size=10, slots=1, echo_delay_s=0.5, environment=environment)
    async with callers.client(stack, "alice") as alice, callers.client(stack, "bob") as bob, stack.bus() as bus:
        async with stack.paused("worker"):
            codes = [(await alice.post(f"Question {n}?")).status_code for n in range(6)]
            assert codes == [202] * 3 + [429] * 3
            await stack.alive("ingress", not_pid=await stack.kill("ingress"))
            await eventually(lambda: _is_ready(alice.http), "the ingress is back")
            response = await alice.post("After the restart?")
            body = problem(response, 429, "client-quota")
            assert (body["places"], body["capacity"]) == (3, 10)
            assert retry_after_s(response) >= 1
            assert len(await stored_subjects(bus, topology.JOBS_STREAM)) == 3

            codes = [(await bob.post(f"Question {n}?")).status_code for n in range(8)]
            assert codes == [202] * 7 + [429], "only the stream says that the queue is full"
            problem(await bob.post("One more?"), 429, "queue-full")
        await queue_is_empty(bus)
        codes = [(await alice.post(f"Question {n}?")).status_code for n in range(4)]
        assert codes == [202] * 3 + [429]


async def _is_ready(http: object) -> bool:
    response = await http.get("/health/ready")  # type: ignore[attr-defined]  # a client of httpx
    return bool(response.status_code == 200)
