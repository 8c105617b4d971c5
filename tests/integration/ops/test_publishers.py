"""Direct publishers are added and removed on a running nats-server without effect on other connections."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator

import pytest
from nats.aio.client import Client
from nats.js.errors import NoStreamResponseError

from contract import topology
from contract.bus import Bus
from contract.errors import BusError
from contract.topology import JobName
from ops.nats import reload
from ops.nats.reload import ReloadError
from tests.support.bus_side import new_job, publish
from tests.support.nats_server import RunningServer
from tests.support.waiting import eventually

TRIES = 200


async def add(server: RunningServer, name: str) -> bool:
    server.publishers.add(name, server.url)
    return await apply(server)


async def remove(server: RunningServer, name: str) -> bool:
    server.publishers.remove(name)
    return await apply(server)


async def apply(server: RunningServer) -> bool:
    return await reload.apply(server.folder, server.credentials, server.publishers)


def reading(job: JobName) -> str:
    return f"$JS.API.DIRECT.GET.KV_{topology.RESULTS_BUCKET}.$KV.{topology.RESULTS_BUCKET}.{job.key}"


@contextlib.asynccontextmanager
async def never_cut(*buses: Bus) -> AsyncIterator[None]:
    """For the time of a block these connections hold."""
    cuts: list[str] = []

    async def note() -> None:
        cuts.append("cut")

    for bus in buses:
        bus.client._disconnected_cb = note
    yield
    assert not cuts
    assert all(bus.is_connected for bus in buses)
    for bus in buses:
        bus.client._disconnected_cb = None


async def does_all_that_she_may(alice: Client, worker: Bus) -> None:
    """Publish, cancel, receive results and tokens, read a stored result."""
    job = new_job("alice")
    cancels: asyncio.Queue[str] = asyncio.Queue()

    async def hear(message: object) -> None:
        await cancels.put(message.subject)  # type: ignore[attr-defined]

    subscription = await worker.client.subscribe(topology.CANCEL_SUBJECTS, cb=hear)
    heard = [await alice.subscribe(subject) for subject in (job.results_subject, job.tokens_subject)]
    await asyncio.gather(worker.client.flush(), alice.flush())
    assert (await alice.jetstream().publish(job.subject, b'{"query":"Who?"}')).stream == topology.JOBS_STREAM
    await alice.publish(job.cancel_subject, b"")
    assert await asyncio.wait_for(cancels.get(), 5) == job.cancel_subject
    for subject in (job.results_subject, job.tokens_subject):
        await worker.publish(subject, subject.encode())
    assert [(await one.next_msg(5)).data.decode() for one in heard] == [job.results_subject, job.tokens_subject]
    await worker.results.create(job.key, b"answer")
    assert (await alice.request(reading(job), b"", timeout=5)).data == b"answer"
    await subscription.unsubscribe()


async def test_who_is_added_may_do_her_work_at_once_and_everybody_else_stays_connected(server: RunningServer) -> None:
    async with server.bus("ingress") as ingress, server.bus("worker") as worker:
        async with never_cut(ingress, worker):
            assert await add(server, "alice")
        async with server.publisher("alice") as (alice, errors):
            await does_all_that_she_may(alice, worker)
            async with never_cut(ingress, worker):
                assert await add(server, "bob")
            await does_all_that_she_may(alice, worker)
            assert errors == []
        await publish(ingress, job=new_job("http"))


async def test_connections_made_after_a_change_are_heard_as_before(server: RunningServer) -> None:
    await add(server, "alice")
    async with server.publisher("alice") as (alice, _):
        await add(server, "bob")
        async with server.bus("worker") as worker:
            await does_all_that_she_may(alice, worker)


async def test_jobs_published_and_waited_for_during_changes_are_all_stored_and_delivered(server: RunningServer) -> None:
    """A pull that waits in the server goes on, and no publish is left without an answer."""
    await add(server, "alice")
    async with (
        server.bus("ingress") as ingress,
        server.bus("worker") as worker,
        server.publisher("alice") as (alice, _),
    ):
        pulls = await worker.js.pull_subscribe_bind(topology.WORKER_DURABLE, topology.JOBS_STREAM)
        done = asyncio.Event()
        delivered: list[str] = []

        async def work() -> None:
            while len(delivered) < TRIES or not done.is_set():
                [message] = await pulls.fetch(1, timeout=30)
                await message.ack_sync()
                delivered.append(message.subject)

        async def ask() -> list[str]:
            """Each job is tried until it is stored; a refusal comes at once and stores nothing."""
            subjects = [new_job("http" if number % 2 else "alice") for number in range(TRIES)]
            for job in subjects:
                await eventually(lambda job=job: stored(ingress, alice, job), "stored", 10, 0.01)  # type: ignore[misc]
            return [job.subject for job in subjects]

        async def change() -> None:
            for number in range(5):
                await add(server, f"other{number}")

        working = asyncio.create_task(work())
        async with never_cut(ingress, worker):
            published, _ = await asyncio.gather(ask(), change())
        done.set()
        await asyncio.wait_for(working, 30)
        assert delivered == published


async def stored(ingress: Bus, alice: Client, job: JobName) -> bool:
    if job.publisher == "http":
        with contextlib.suppress(BusError):
            await publish(ingress, job=job)
            return True
    else:
        with contextlib.suppress(NoStreamResponseError):
            await alice.jetstream(timeout=5).publish(job.subject, b"{}")
            return True
    return False


async def test_who_is_removed_is_cut_and_nobody_else(server: RunningServer) -> None:
    for name in ("alice", "bob"):
        await add(server, name)
    async with (
        server.bus("ingress") as ingress,
        server.bus("worker") as worker,
        server.publisher("alice") as (alice, _),
        server.publisher("bob") as (bob, errors),
    ):
        stays = new_job("alice")
        await alice.jetstream().publish(stays.subject, b"{}")
        async with never_cut(ingress, worker):
            assert await remove(server, "alice")
            await eventually(lambda: not_connected(alice), "alice is cut", 10, 0.01)
        await bob.jetstream().publish(new_job("bob").subject, b"{}")
        assert errors == []
    async with server.bus() as admin:
        assert await admin.find_job(stays)


async def not_connected(client: Client) -> bool:
    return not client.is_connected


async def test_with_no_server_running_the_next_one_knows_the_list(server: RunningServer) -> None:
    server.stop()
    assert not await add(server, "alice")
    server.start()
    async with server.publisher("alice") as (alice, _), server.bus("worker") as worker:
        await does_all_that_she_may(alice, worker)


async def test_a_killed_server_is_not_taken_for_a_running_one(server: RunningServer) -> None:
    assert reload.find_running(server.folder)
    server.stop(signal.SIGKILL)
    assert list(server.folder.glob("nats-server_*.ports"))
    assert reload.find_running(server.folder) is None


async def test_a_server_that_does_not_take_the_list_in_is_told(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "_APPLIED_WITHIN_S", 0.05)
    monkeypatch.setattr("ops.nats.monitoring.page", lambda _url, _path: {"config_load_time": "always the same"})
    with pytest.raises(ReloadError, match="at its next start"):
        await add(server, "alice")
