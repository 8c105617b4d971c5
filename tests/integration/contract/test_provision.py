"""Provisioning against a real nats-server: what is made, what is changed, what is refused."""

import signal

import msgspec
import pytest
from nats.js.api import DiscardPolicy, RetentionPolicy, StreamConfig, StreamInfo

from contract import topology
from contract.bus import Bus
from contract.bus.provision import BUDGET_TTL_S, JOB_MARGIN_BYTES, USAGE_MAX_BYTES, USAGE_TTL_S, keeps_erased, provision
from contract.errors import AlreadyAcceptedError, BusError, QueueFullError
from contract.settings import QueueSettings
from contract.topology import JobName
from tests.support.nats_server import RunningServer

STREAMS = (
    "DOCQA_JOBS",
    "KV_DOCQA_RESULTS",
    "KV_DOCQA_STARTS",
    "KV_DOCQA_CACHE",
    "KV_DOCQA_BUDGET",
    "KV_DOCQA_USAGE",
    "DOCQA_DEAD",
)


def job(number: int) -> JobName:
    return JobName("http", "tests", f"00000000-0000-7000-8000-{number:012d}")


async def infos(bus: Bus) -> dict[str, StreamInfo]:
    return {name: await bus.js.stream_info(name) for name in STREAMS}


async def test_all_streams_and_the_durable_are_made(server: RunningServer) -> None:
    async with server.bus() as bus:
        configs = {name: info.config for name, info in (await infos(bus)).items()}
        durable = (await bus.js.consumer_info(topology.JOBS_STREAM, topology.WORKER_DURABLE)).config
    jobs = configs["DOCQA_JOBS"]
    assert (jobs.retention, jobs.discard, jobs.storage) == ("workqueue", "new", "file")
    assert (jobs.max_msgs, jobs.max_bytes, jobs.max_msgs_per_subject) == (10, -1, 1)
    assert jobs.discard_new_per_subject
    assert jobs.allow_direct
    assert jobs.max_msg_size == 2**20 + JOB_MARGIN_BYTES
    assert configs["KV_DOCQA_RESULTS"].max_age == configs["KV_DOCQA_STARTS"].max_age == 7 * 86_400
    cache, budget, usage = (configs[f"KV_DOCQA_{name}"] for name in ("CACHE", "BUDGET", "USAGE"))
    assert (cache.discard, cache.max_age, cache.max_bytes) == ("old", 3600, 2**26)
    assert (budget.discard, budget.max_age) == ("new", BUDGET_TTL_S)
    assert (usage.discard, usage.max_age, usage.max_bytes) == ("old", USAGE_TTL_S, USAGE_MAX_BYTES)
    assert (configs["DOCQA_DEAD"].discard, configs["DOCQA_DEAD"].max_age) == ("old", 7 * 86_400)
    assert (durable.ack_policy, durable.max_deliver, durable.max_ack_pending) == ("explicit", -1, -1)
    assert durable.ack_wait == 30


async def test_a_second_time_changes_nothing(server: RunningServer) -> None:
    async with server.bus() as bus:
        before = await infos(bus)
        await provision(bus, server.settings)
        after = await infos(bus)
    assert {name: info.config for name, info in before.items()} == {name: info.config for name, info in after.items()}


async def test_changed_settings_reach_what_exists(server: RunningServer) -> None:
    changed = QueueSettings(
        max_queue_size=3,
        max_request_size_mb=2,
        ack_wait_s=2,
        result_ttl_s=600,
        dead_max_bytes=2**20,
        cache_ttl_s=60,
        cache_max_bytes=2**20,
    )
    async with server.bus() as bus:
        await provision(bus, changed)
        found = {name: info.config for name, info in (await infos(bus)).items()}
        durable = await bus.js.consumer_info(topology.JOBS_STREAM, topology.WORKER_DURABLE)
    assert found["DOCQA_JOBS"].max_msgs == 3
    assert found["DOCQA_JOBS"].max_msg_size == 2 * 2**20 + JOB_MARGIN_BYTES
    assert found["KV_DOCQA_RESULTS"].max_age == found["KV_DOCQA_STARTS"].max_age == 600
    assert found["DOCQA_DEAD"].max_bytes == 2**20
    assert (found["KV_DOCQA_CACHE"].max_age, found["KV_DOCQA_CACHE"].max_bytes) == (60, 2**20)
    assert durable.config.ack_wait == 2


async def test_a_smaller_queue_keeps_what_waits_and_refuses_the_next(server: RunningServer) -> None:
    async with server.bus() as bus:
        for number in range(10):
            await bus.publish_job(job(number), b"{}", {})
        await provision(bus, msgspec.structs.replace(server.settings, max_queue_size=4))
        state = await bus.queue_state()
        assert (state.depth, state.capacity) == (10, 4)
        with pytest.raises(QueueFullError):
            await bus.publish_job(job(10), b"{}", {})
        assert all([await bus.find_job(job(number)) for number in range(10)])


async def test_a_job_that_waits_is_not_stored_twice_even_when_the_queue_is_full(server: RunningServer) -> None:
    async with server.bus() as bus:
        for number in range(10):
            await bus.publish_job(job(number), b"{}", {})
        with pytest.raises(AlreadyAcceptedError):
            await bus.publish_job(job(3), b"{}", {})


async def test_a_stream_with_another_limit_per_subject_is_refused_and_left_alone(bare_server: RunningServer) -> None:
    """Tightening that limit would delete waiting jobs."""
    async with bare_server.bus() as bus:
        await bus.js.add_stream(
            StreamConfig(
                name="DOCQA_JOBS",
                subjects=["docqa.jobs.*.*.*"],
                retention=RetentionPolicy.WORK_QUEUE,
                discard=DiscardPolicy.NEW,
            )
        )
        await bus.js.publish(job(1).subject, b"one")
        await bus.js.publish(job(1).subject, b"two")
        with pytest.raises(BusError, match=r"DOCQA_JOBS exists with max_msgs_per_subject=-1 where 1 is needed"):
            await provision(bus, bare_server.settings)
        assert (await bus.js.stream_info("DOCQA_JOBS")).state.messages == 2


async def test_counts_of_starts_and_results_can_be_removed_by_who_may(server: RunningServer) -> None:
    async with server.bus() as bus:
        await bus.starts.swap("http.tests.x", b"1", last_seq=0)
        await bus.results.create("http.tests.x", b"{}")
        for bucket in (bus.starts, bus.results):
            entry = await bucket.get("http.tests.x")
            assert entry
            assert await bucket.remove(entry.seq)
            assert await bucket.get("http.tests.x") is None


async def test_a_bucket_that_an_older_version_made_to_deny_deletions_stays_in_use(bare_server: RunningServer) -> None:
    async with bare_server.bus() as bus:
        await provision(bus, bare_server.settings)
        info = await bus.js.stream_info("KV_DOCQA_RESULTS")
        await bus.js.update_stream(info.config.evolve(deny_delete=True))
        await provision(bus, bare_server.settings)
        assert await keeps_erased(bus)
        entry = await bus.results.create("http.tests.x", b"{}")
        assert not await bus.results.remove(entry.seq)
        assert await bus.results.get("http.tests.x") == entry


async def test_the_buckets_are_buckets_to_any_client(server: RunningServer) -> None:
    async with server.bus() as bus:
        await bus.results.create("http.tests.x", b"{}")
        bucket = await bus.js.key_value(topology.RESULTS_BUCKET)
        assert (await bucket.get("http.tests.x")).value == b"{}"


async def test_a_user_without_the_admins_rights_is_told_in_a_sentence(bare_server: RunningServer) -> None:
    async with bare_server.bus("ingress") as bus:
        with pytest.raises(BusError, match=r"did not answer|can't be set up"):
            await provision(bus, bare_server.settings)


async def test_an_older_server_is_refused(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async with server.bus() as bus:
        monkeypatch.setattr(bus.client._current_server, "server_version", "2.14.9")
        with pytest.raises(BusError, match=r"nats-server is 2\.14\.9, and only 2\.15 or newer"):
            await provision(bus, server.settings)


async def test_accepted_jobs_outlive_a_kill_of_the_server(server: RunningServer) -> None:
    async with server.bus() as bus:
        await bus.publish_job(job(1), b"{}", {})
    server.stop(signal.SIGKILL)
    server.start()
    async with server.bus() as bus:
        await provision(bus, server.settings)
        assert await bus.find_job(job(1))


async def test_more_copies_than_servers_are_refused_in_one_sentence(server: RunningServer) -> None:
    async with server.bus() as bus:
        with pytest.raises(BusError, match=r"^DOCQA_REPLICAS: the bus has no 3 servers to keep copies on"):
            await provision(bus, QueueSettings(replicas=3))
