"""`docqa publishers`: who is let in and who is cut off, while everything runs."""

import asyncio
import json
import os
import signal
import urllib.request
from pathlib import Path

import pytest
from nats.errors import Error as NatsError

from contract.topology import JobName
from tests.support.client import Client
from tests.support.direct import Publisher, add, changed, publishers, publishing
from tests.support.ledger import queue_is_empty
from tests.support.stack import Stack, Start
from tests.support.waiting import eventually

ROLES = ("ingress", "worker")


def connections(stack: Stack) -> set[tuple[str, int]]:
    """The services' connections: user and number."""
    ready = json.loads((stack.folder / "ready.json").read_bytes())
    with urllib.request.urlopen(f"{ready['nats_monitoring']}/connz?auth=1", timeout=5) as page:  # noqa: S310
        found = json.load(page)["connections"]
    return {(one["authorized_user"], one["cid"]) for one in found if one.get("authorized_user") in ROLES}


async def is_answered(stack: Stack, job: JobName | None) -> None:
    assert job

    async def probe() -> bool:
        return await bus.results.get(job.key) is not None

    async with stack.bus() as bus:
        await eventually(probe, f"{job.key} has a result")


async def test_publishers_come_and_go_while_nobody_else_is_cut_and_pending_questions_are_answered(start: Start) -> None:
    stack = start(echo_delay_s=1, slots=8, queue_size=20)
    before = connections(stack)
    async with stack.client() as client:
        asked = [asyncio.create_task(client.ask(f"Question {number}?")) for number in range(4)]
        await is_running(client, 4)
        async with publishing("alice", await add(stack, "alice")) as alice:
            job = await alice.publish()
            await add(stack, "bob")
            await is_answered(stack, job)
            assert not (await asyncio.gather(*asked))[0].is_error
            assert changed(stack, "remove", "alice") == {"name": "alice", "applied": True}
            await eventually(lambda: is_cut(alice), "alice is cut")
        assert [response.result().status_code for response in asked] == [200] * 4
    assert connections(stack) == before
    assert {user for user, _ in before} == set(ROLES)


async def is_running(client: Client, count: int) -> None:
    async def probe() -> bool:
        return bool((await client.health())["running"] == count)

    await eventually(probe, f"{count} questions are running")


async def is_cut(publisher: Publisher) -> bool:
    return not publisher.client.is_connected


async def test_jobs_of_a_removed_publisher_are_still_answered(start: Start) -> None:
    stack = start(echo_delay_s=1, slots=1)
    async with publishing("alice", await add(stack, "alice")) as alice:
        jobs = [await alice.publish() for _ in range(3)]
    changed(stack, "remove", "alice")
    for job in jobs:
        await is_answered(stack, job)


async def test_the_list_outlives_a_killed_server_and_a_restart_of_everything(start: Start) -> None:
    stack = start()
    credentials = await add(stack, "alice")
    killed = await stack.kill("nats")
    await stack.alive("nats", not_pid=killed)
    async with publishing("alice", credentials) as alice:
        await is_answered(stack, await alice.publish())
    stack.stop()
    assert not changed(stack, "add", "bob")["applied"]
    stack.start()
    for name in ("alice", "bob"):
        async with publishing(name, credentials.with_name(f"{name}.json")) as publisher:
            await is_answered(stack, await publisher.publish())


async def test_several_are_added_at_once_and_each_may_publish(start: Start) -> None:
    stack = start()
    names = ["a", "b", "c", "d"]
    for name, credentials in zip(names, await asyncio.gather(*(add(stack, name) for name in names)), strict=True):
        async with publishing(name, credentials) as publisher:
            await is_answered(stack, await publisher.publish())
    assert [one["name"] for one in changed(stack, "list")["publishers"]] == names


async def test_an_add_while_the_server_is_coming_back_is_not_lost(start: Start) -> None:
    stack = start()
    os.kill(stack.pid("nats"), signal.SIGKILL)
    said = await asyncio.to_thread(changed, stack, "add", "alice")

    async def probe() -> bool:
        try:
            async with publishing("alice", Path(said["credentials"])) as alice:
                return await alice.publish() is not None
        except (NatsError, OSError):
            return False

    await eventually(probe, "alice may publish")
    async with stack.bus() as bus:
        await queue_is_empty(bus)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["add", "http"], "`http` belongs to the ingress"),
        (["add", "Alice"], "[a-z0-9_-]{1,64}"),
        (["remove", "nobody"], "There is no publisher nobody"),
    ],
)
def test_what_can_not_be_done_is_told_in_a_sentence(echo: Stack, arguments: list[str], sentence: str) -> None:
    found = publishers(echo, *arguments)
    assert found.returncode == 1
    assert sentence in found.stderr
    assert found.stderr.count("\n") == 1


def test_a_bus_of_somebody_elses_is_left_to_them(echo: Stack) -> None:
    elsewhere = Stack(echo.options)
    elsewhere.environment["DOCQA_NATS_URL"] = "nats://127.0.0.1:4222"
    try:
        found = publishers(elsewhere, "add", "alice")
    finally:
        elsewhere.destroy()
    assert found.returncode == 1
    assert "DOCQA_NATS_URL names an external message bus" in found.stderr
