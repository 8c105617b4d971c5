"""docs/protocol.md: its example publisher runs unchanged, and what it says about messages is true."""

import asyncio
import json
import re
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

import jsonschema_rs

from tests.support.direct import add, publishing
from tests.support.ledger import is_running, queue_is_empty, stored_results
from tests.support.processes import ROOT
from tests.support.stack import Stack, Start
from tests.support.waiting import eventually

PAGE = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
WITHIN_S = 90


def complete_publisher() -> str:
    [code] = re.findall(r"<!-- tested -->\s*```python\n(.*?)```", PAGE, re.DOTALL)
    return str(code)


def schema(name: str) -> Any:
    return jsonschema_rs.validator_for(json.loads((ROOT / "docs" / "schemas" / f"{name}.json").read_bytes()))


async def asks(stack: Stack, credentials: Path, *arguments: str) -> Process:
    """The page's publisher, running."""
    script = stack.folder / "ask.py"
    script.write_text(complete_publisher(), encoding="utf-8")
    command = (sys.executable, str(script), str(credentials), *arguments)
    return await asyncio.create_subprocess_exec(*command, env=stack.environment, stdout=PIPE, stderr=PIPE)


async def printed(process: Process) -> dict[str, Any]:
    out, error = await asyncio.wait_for(process.communicate(), WITHIN_S)
    assert process.returncode == 0, error.decode()
    found: dict[str, Any] = json.loads(out)
    return found


def test_the_publisher_is_short() -> None:
    assert len(complete_publisher().splitlines()) < 40


async def test_the_publisher_on_the_page_gets_its_answer(start: Start) -> None:
    stack = start()
    result = await printed(await asks(stack, await add(stack, "alice"), "Who?", "It was Ada."))
    assert result["status"] == "done"
    schema("answer").validate(result)


async def test_it_backs_off_while_the_queue_is_full(start: Start) -> None:
    stack = start(queue_size=1, slots=1, echo_delay_s=3)
    credentials = await add(stack, "alice")
    async with stack.bus() as bus, stack.client() as client:
        before = await client.submit("Who is first?")
        await is_running(bus)
        result = await printed(await asks(stack, credentials, "Who is second?"))
        assert result["status"] == "done"
        assert (await stored_results(bus)).keys() == {before, result["id"]}


async def test_it_gets_one_answer_though_the_bus_is_killed_under_it(start: Start) -> None:
    """Its job waits or runs, or is being tried again: whatever it is, it ends once."""
    stack = start(slots=1, echo_delay_s=2)
    credentials = await add(stack, "alice")
    asking = await asks(stack, credentials, "Who?")
    async with stack.bus() as bus:

        async def probe() -> bool:
            return (await bus.queue_state()).depth == 1

        await eventually(probe, "the job is stored")
        await stack.kill("nats")
        result = await printed(asking)
        await queue_is_empty(bus)
        assert (await stored_results(bus)).keys() == {result["id"]}


async def test_messages_on_a_running_bus_are_valid_by_their_schemas(start: Start) -> None:
    stack = start()
    async with publishing("alice", await add(stack, "alice")) as alice:
        tokens = await alice.client.subscribe("docqa.tokens.alice.>")
        results = await alice.client.subscribe("docqa.results.alice.>")
        await alice.publish("Several words to be told.")
        await alice.publish("Who?", max_tokens="many")
        found = [json.loads((await results.next_msg(10)).data) for _ in range(2)]
        for result in found:
            schema("result").validate(result)
        assert {result["status"] for result in found} == {"done", "failed"}
        schema("token").validate(json.loads((await tokens.next_msg(10)).data))
    async with stack.bus() as bus:
        workers = await bus.client.subscribe("docqa.workers.>")
        schema("worker").validate(json.loads((await workers.next_msg(20)).data))
        letter = await bus.js.get_last_msg("DOCQA_DEAD", "docqa.dead.>")
        schema("dead_letter").validate(json.loads(letter.data or b""))
