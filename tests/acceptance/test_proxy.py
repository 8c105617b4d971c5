"""The proxy behind a whole stack: nothing secret goes out, it costs what it may, and `docqa usage` says so."""

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contract.usage_records import BudgetDay, day_of, decode
from tests.support import direct
from tests.support.bus_side import result_of
from tests.support.client import problem, retry_after_s
from tests.support.openai_api import Api, hangs, serving
from tests.support.stack import Stack, Start
from tests.support.waiting import eventually

KEY = "the-key-of-the-proxy"
SECRETS = {
    "query": "sk-proj-" + "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5bC7d",
    "context": "AKIAZ7VRSQ5TJN2XMPLB",
    "stop": "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
    "publisher": "glpat-" + "Zx9Yw8Vu7Ts6Rq5Po4Nm",
    "file": "xoxb-" + "123456789012-abcdefABCDEF",
}
HALVES = ("hf_" + "aBcDeFgHiJkLmNoPq", "RsTuVwXyZaBcDeFgH")
"""One token, split over the end of the context and the beginning of the query."""


@contextlib.asynccontextmanager
async def proxied(start: Start, **environment: str) -> AsyncIterator[tuple[Api, Stack]]:
    """A stack that has a recording API for its proxy."""
    async with serving() as api:
        settings = {
            "DOCQA_BACKEND": "proxy",
            "COPILOT_API_URL": api.url,
            "COPILOT_API_KEY": KEY,
            "DOCQA_PROXY_MODEL": "far-away",
            **environment,
        }
        yield api, await asyncio.to_thread(start, environment=settings)


async def docqa(stack: Stack, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "ops", *arguments, "--data-dir", str(stack.folder / "data")]
    return await asyncio.to_thread(
        subprocess.run, command, env=stack.environment, capture_output=True, text=True, timeout=60, check=False
    )


async def usage(stack: Stack) -> dict[str, Any]:
    found = await docqa(stack, "usage", "--json")
    assert found.returncode == 0, found.stderr
    said: dict[str, Any] = json.loads(found.stdout)
    return said


async def test_no_secret_reaches_the_proxy_whichever_way_it_comes_and_the_usage_is_told(
    start: Start, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.toml"
    # Found only in the whole message: no field holds all of it.
    rules.write_text("[[rule]]\nkind = 'house'\npattern = 'Question: (Who wrote it)'\ngroup = 1\n", encoding="utf-8")
    async with proxied(start, DOCQA_REDACTION_RULES=str(rules)) as (api, stack):
        await _ask_with_secrets(stack, tmp_path)
        sent = b"\n".join(api.requests).decode("unicode_escape", "replace")
        assert len(api.requests) == 4
        for secret in (*SECRETS.values(), *HALVES):
            assert secret not in sent
        assert sent.count("[REDACTED:") >= 6
        async with stack.client() as client:
            first, again = [await client.ask("Who wrote it?", context="Ada did.") for _ in range(2)]
        assert (first.json()["backend"], again.json()["backend"]) == ("proxy", "cache")
        assert first.json()["model"] == again.json()["model"] == "far-away"
        assert first.json()["answer"] == again.json()["answer"] == "It was Ada."
        assert len(api.requests) == 5
        assert b"Question: [REDACTED:house]?" in api.requests[4]
        await _is_counted(stack)
        assert KEY not in stack.log()
        assert all(secret not in stack.log() for secret in (*SECRETS.values(), *HALVES))


async def test_a_deleted_answer_is_not_given_again_from_the_cache(start: Start) -> None:
    async with proxied(start) as (api, stack), stack.client() as client, stack.bus() as bus:
        first, again = [(await client.ask("Who wrote it?")).json() for _ in range(2)]
        assert (first["backend"], again["backend"]) == ("proxy", "cache")
        assert "cache_key" not in first
        (key,) = await bus.cache.keys()
        erased = await client.http.delete(f"/api/jobs/{again['id']}")
        assert erased.json()["code"] == "erased"
        entry = await bus.cache.get(key)
        assert entry
        assert not entry.value
        assert (await client.ask("Who wrote it?")).json()["backend"] == "proxy"
        assert (await client.ask("Who wrote it?")).json()["backend"] == "cache"
        assert len(api.requests) == 2


async def test_a_deleted_answer_that_all_clients_share_is_given_to_nobody_again(start: Start) -> None:
    async with proxied(start, COPILOT_CACHE_SHARED="true") as (api, stack), stack.client() as client:
        answer = (await client.ask("Who wrote it?")).json()
        await client.http.delete(f"/api/jobs/{answer['id']}")
        assert (await client.ask("Who wrote it?")).json()["backend"] == "proxy"
        assert len(api.requests) == 2


async def _ask_with_secrets(stack: Stack, folder: Path) -> None:
    credentials = await direct.add(stack, "alice")
    async with stack.client() as client:
        fields = {"context": f"The key is {SECRETS['context']}.", "stop": [SECRETS["stop"]]}
        assert (await client.ask(f"Whose is {SECRETS['query']}?", **fields)).status_code == 200
        assert (await client.ask(f"{HALVES[1]} ends it.", context=f"It begins with {HALVES[0]}")).status_code == 200
    async with direct.publishing("alice", credentials) as alice, stack.bus() as bus:
        job = await alice.publish(f"What opens {SECRETS['publisher']}?")
        assert job
        assert (await result_of(bus, job)).id == job.job_id
    (folder / "mail.txt").write_text(f"Slack: {SECRETS['file']}\n", encoding="utf-8")
    there = ("--context-file", str(folder / "mail.txt"), "--target", str(stack.ready().uds))
    found = await docqa(stack, "ask", "What is it?", *there)
    assert (found.returncode, found.stdout) == (0, "It was Ada.\n"), found.stderr


async def _is_counted(stack: Stack) -> None:
    async def probe() -> dict[str, Any] | None:
        said = await usage(stack)
        return said if said["total"]["answers"] == 6 else None

    said = await eventually(probe, "six answers are counted")
    assert (said["total"]["proxy"]["answers"], said["total"]["cache"]["answers"]) == (5, 1)
    assert said["budget"]["used_tokens"] == 5 * 43
    assert said["total"]["saved_tokens"] == 43
    assert {client["client"]: client["answers"] for client in said["clients"]} == {"http.local": 5, "alice.c1": 1}
    page = await stack.metrics("worker")
    for name in ("proxy_calls_total 5", "goblin_docqa_copilot_requests_total 5", "docqa_proxy_tokens_used_total 215"):
        assert f"\n{name}.0\n" in page
    assert "\nlocal_calls_total 0.0\n" in page
    shown = await docqa(stack, "usage")
    assert "COPILOT_TOKEN_BUDGET_DAILY is not set" in shown.stdout
    cleared = await docqa(stack, "usage", "--clear-cache", "local", "--json")
    # Each question that a client asked over HTTP.
    assert json.loads(cleared.stdout) == {"cleared": 4}


async def test_a_worker_that_is_killed_while_it_asks_takes_no_budget_back_and_what_is_used_up_is_told(
    start: Start,
) -> None:
    """A call reserves some 640 tokens: the second attempt of the job finds no room for another."""
    async with proxied(start, COPILOT_TOKEN_BUDGET_DAILY="1000") as (api, stack):
        api.script.append(hangs)
        async with stack.client() as client:
            asking = asyncio.create_task(client.ask("Who?", max_tokens=20))
            await eventually(lambda: _as_probe(len(api.requests)), "the API is asked")
            held = (await _budget(stack)).reserved_tokens
            assert 500 < held <= 1000
            await stack.kill("worker")
            response = await asking
        body = problem(response, 503, "budget-exhausted")
        assert body["resets_at"].endswith("T00:00:00Z")
        assert 0 < retry_after_s(response) <= 86_400
        assert body["dead_letter"]
        assert len(api.requests) == 1
        assert await _budget(stack) == BudgetDay(limit_tokens=1000, charged_tokens=0, reserved_tokens=held)


async def _budget(stack: Stack) -> BudgetDay:
    async with stack.bus() as bus:
        entry = await bus.budget.get(day_of(datetime.now(UTC)))
    return decode(entry.value if entry else None, BudgetDay)


async def _as_probe(value: int) -> int:
    return value
