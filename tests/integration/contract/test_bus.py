"""The connection to a real nats-server: what is stored, what is refused, and what is not known."""

import asyncio
import contextlib
import signal
import time

import pytest
from nats.js import JetStreamContext

from contract import topology
from contract.bus import Bus, QueueState
from contract.bus import client as client_module
from contract.errors import (
    AlreadyAcceptedError,
    BusUnavailableError,
    ConnectionLostError,
    MessageTooLargeError,
    NotProvisionedError,
    OutcomeUnknownError,
    QueueFullError,
    StoreFullError,
)
from tests.support.bus_side import TICK_S, count, new_job, paused, publish, settled, until_connected
from tests.support.nats_server import RunningServer
from tests.support.waiting import eventually

AT_ONCE_S = 0.5
SHORT_TIMEOUT_S = 0.3


async def test_a_job_is_stored_under_its_name_with_its_headers(admin: Bus) -> None:
    job, headers = new_job(), {topology.BODY_HASH_HEADER: "abc", "traceparent": "00-1-2-03"}
    await admin.publish_job(job, b'{"query":"Who?"}', headers)
    message = await admin.js.get_msg(topology.JOBS_STREAM, subject=job.subject, direct=True)
    assert message.data == b'{"query":"Who?"}'
    assert message.headers
    assert headers.items() <= message.headers.items()
    assert headers.keys() == {topology.BODY_HASH_HEADER, "traceparent"}
    found = await admin.find_job(job)
    assert found
    assert (found.seq, found.body_sha256) == (message.seq, "abc")


async def test_the_queue_tells_its_depth_its_bound_and_what_runs(admin: Bus) -> None:
    assert await admin.queue_state() == QueueState(depth=0, capacity=10, running=0, delivered_seq=0)
    before_s = time.time()
    for _ in range(3):
        await publish(admin)
    subscription = await admin.js.pull_subscribe_bind(topology.WORKER_DURABLE, topology.JOBS_STREAM)
    [message] = await subscription.fetch(1, timeout=5)
    state = await all_counted(admin)
    assert (state.depth, state.capacity, state.running, state.delivered_seq) == (3, 10, 1, 1)
    assert state.pending == 2
    assert state.oldest_s
    assert before_s - 1 < state.oldest_s < time.time() + 1
    await message.ack_sync()
    state = await all_counted(admin)
    assert (state.depth, state.running, state.delivered_seq, state.pending) == (2, 0, 1, 2)
    assert await admin.find_job(new_job()) is None


async def all_counted(bus: Bus) -> QueueState:
    """nats-server counts a message that is delivered while the next one comes for some milliseconds too late."""

    async def state() -> QueueState | None:
        return found if (found := await bus.queue_state()).stuck == 0 else None

    return await eventually(state, "no job is stuck")


async def test_a_full_queue_is_one_error_and_a_job_that_is_there_another(small_server: RunningServer) -> None:
    async with small_server.bus() as bus:
        first = await publish(bus)
        with pytest.raises(AlreadyAcceptedError):
            await publish(bus, job=first)
        await publish(bus)
        with pytest.raises(QueueFullError):
            await publish(bus)
        with pytest.raises(AlreadyAcceptedError):
            await publish(bus, job=first)
        assert await count(bus, topology.JOBS_STREAM) == 2


async def test_of_many_publishes_at_once_exactly_as_many_are_stored_as_there_is_room(admin: Bus) -> None:
    outcomes = await asyncio.gather(*(publish(admin) for _ in range(40)), return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, QueueFullError)]
    assert len(refused) == 30
    assert await count(admin, topology.JOBS_STREAM) == 10


async def test_of_many_publishes_of_one_job_at_once_one_is_stored(admin: Bus) -> None:
    job = new_job()
    outcomes = await asyncio.gather(*(publish(admin, job=job) for _ in range(20)), return_exceptions=True)
    assert sum(isinstance(outcome, AlreadyAcceptedError) for outcome in outcomes) == 19
    assert await count(admin, topology.JOBS_STREAM) == 1


@pytest.mark.parametrize("kibibytes", [1100, 1200], ids=["than the stream takes", "than the server takes"])
async def test_a_job_that_is_larger_is_refused_as_such(admin: Bus, kibibytes: int) -> None:
    with pytest.raises(MessageTooLargeError):
        await admin.publish_job(new_job(), b"x" * kibibytes * 1024, {})
    assert await count(admin, topology.JOBS_STREAM) == 0


async def test_without_the_streams_everything_says_who_makes_them(bare_server: RunningServer) -> None:
    async with bare_server.bus() as bus:
        for call in (
            publish(bus),
            bus.queue_state(),
            bus.find_job(new_job()),
            bus.results.get("a"),
            bus.results.create("a", b"1"),
            bus.publish_dead("docqa.dead.bad-name.1", b"{}", "1"),
        ):
            with pytest.raises(NotProvisionedError, match="docqa nats"):
                await call


async def test_a_bus_that_is_away_is_told_at_once_and_nothing_is_sent_later(server: RunningServer, admin: Bus) -> None:
    server.stop(signal.SIGKILL)
    await until_connected(admin, is_connected=False)
    begun_s = time.monotonic()
    for call in (
        publish(admin),
        admin.publish("docqa.results.alice.c1.x", b""),
        admin.request("docqa.nobody", b""),
        admin.queue_state(),
        admin.find_job(new_job()),
        admin.results.get("a"),
        admin.results.create("a", b"1"),
        admin.publish_dead("docqa.dead.bad-name.1", b"{}", "1"),
    ):
        with pytest.raises(BusUnavailableError):
            await call
    assert time.monotonic() - begun_s < AT_ONCE_S
    server.start()
    await until_connected(admin)
    await settled(admin)
    for stream in (topology.JOBS_STREAM, f"KV_{topology.RESULTS_BUCKET}", topology.DEAD_STREAM):
        assert await count(admin, stream) == 0
    await publish(admin)
    assert await count(admin, topology.JOBS_STREAM) == 1


async def test_a_bus_that_does_not_answer_leaves_the_outcome_unknown(server: RunningServer, admin: Bus) -> None:
    admin.js = JetStreamContext(admin.client, timeout=SHORT_TIMEOUT_S)
    job = new_job()
    async with paused(server):
        with pytest.raises(OutcomeUnknownError):
            await publish(admin, job=job)
        with pytest.raises(OutcomeUnknownError):
            await admin.results.get(job.key)
    admin.js = JetStreamContext(admin.client, timeout=5)
    await eventually(lambda: admin.find_job(job), "what was sent is stored", 5, TICK_S)
    assert await count(admin, topology.JOBS_STREAM) == 1


async def test_connecting_waits_for_the_server_and_a_hook_runs_after_each_reconnect(server: RunningServer) -> None:
    server.stop()
    bus, reconnected = Bus(), asyncio.Event()

    async def note() -> None:
        reconnected.set()

    connecting = asyncio.create_task(bus.connect(server.settings_for("worker"), "worker", on_reconnect=note))
    await asyncio.sleep(0)
    for call in (publish(bus), bus.publish("a", b""), bus.find_job(new_job()), bus.results.get("a")):
        with pytest.raises(BusUnavailableError):
            await call
    server.start()
    async with asyncio.timeout(10):
        await connecting
        assert not reconnected.is_set()
        assert await bus.results.get("a") is None
        server.stop(signal.SIGKILL)
        server.start()
        await reconnected.wait()
    assert bus.is_connected
    await bus.close()


async def test_a_closed_connection_is_a_bus_that_is_away(server: RunningServer) -> None:
    async with server.bus() as bus:
        pass
    with pytest.raises(BusUnavailableError):
        await publish(bus)
    await bus.close()


async def test_the_first_value_of_a_key_stands(admin: Bus) -> None:
    first = await admin.results.create("alice.c1.x", b"first")
    assert await admin.results.create("alice.c1.x", b"second") == first
    assert await admin.results.get("alice.c1.x") == first
    assert first.value == b"first"


async def test_of_many_who_create_one_key_all_are_told_the_one_that_stands(admin: Bus) -> None:
    entries = await asyncio.gather(*(admin.results.create("alice.c1.x", b"%d" % n) for n in range(10)))
    assert entries == entries[:1] * 10
    assert (await admin.js.stream_info(f"KV_{topology.RESULTS_BUCKET}")).state.last_seq == 1


async def test_a_swap_is_made_only_upon_the_write_that_it_names(admin: Bus) -> None:
    seq = await admin.starts.swap("a", b"1", last_seq=0)
    assert seq
    assert await admin.starts.swap("a", b"x", last_seq=0) is None
    assert await admin.starts.swap("a", b"x", last_seq=seq + 7) is None
    newer = await admin.starts.swap("a", b"2", last_seq=seq)
    assert newer
    assert newer > seq
    entry = await admin.starts.get("a")
    assert entry
    assert (entry.value, entry.seq) == (b"2", newer)


async def test_a_removed_write_is_gone_and_can_be_removed_again(admin: Bus) -> None:
    seq = await admin.starts.swap("a", b"1", last_seq=0)
    assert seq
    await admin.starts.remove(seq)
    await admin.starts.remove(seq)
    assert await admin.starts.get("a") is None
    assert await count(admin, f"KV_{topology.STARTS_BUCKET}") == 0
    assert await admin.starts.swap("a", b"1", last_seq=0)


async def test_a_full_bucket_is_a_store_that_is_full(small_server: RunningServer) -> None:
    async with small_server.bus() as bus:
        with pytest.raises(StoreFullError):
            await asyncio.gather(*(bus.results.create(f"alice.c1.{number}", b"x" * 200) for number in range(20)))


async def test_a_dead_letter_that_is_published_twice_is_stored_once(admin: Bus) -> None:
    for _ in range(2):
        await admin.publish_dead("docqa.dead.bad-name.1", b"{}", "job 17")
    await admin.publish_dead("docqa.dead.bad-name.1", b"{}", "job 18")
    assert await count(admin, topology.DEAD_STREAM) == 2


async def test_a_connection_comes_back_after_its_password_was_wrong_for_a_while(server: RunningServer) -> None:
    async with server.bus("worker") as bus, server.bus() as admin:
        with server.wrong_password("worker"):
            await eventually(lambda: _is(not bus.is_connected), "the worker is cut off", 10, TICK_S)
        await until_connected(bus)
        job = await publish(admin)
        await bus.results.create(job.key, b"{}")
        assert bus.is_connected


async def test_a_connection_that_gave_up_ends_its_process(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "WATCH_EVERY_S", 0.01)
    async with server.bus("worker") as bus:
        watching = asyncio.create_task(bus.watch())
        await bus.client.close()
        with pytest.raises(ConnectionLostError):
            await watching


@pytest.mark.parametrize("below", [0, 1, 40, 200])
async def test_a_message_about_as_large_as_the_bus_accepts_cuts_nobody_off(admin: Bus, below: int) -> None:
    """The server counts the headers too, and closes the connection over a message that is too large."""
    body, key = b"x" * (admin.client.max_payload - below), new_job().key
    with contextlib.suppress(MessageTooLargeError):
        await admin.results.create(key, body)
    await admin.client.flush()
    assert admin.client.stats["reconnects"] == 0
    assert await admin.results.get(key) is None or below == 200


async def _is(value: bool) -> bool:
    return value
