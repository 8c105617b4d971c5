"""Backups of a real bus: what is in them, what comes back, what is refused."""

import asyncio
import time
from pathlib import Path

import pytest
from nats.js.api import KeyValueConfig

from contract import topology
from contract.bus import Bus, restore_mark
from contract.bus.provision import provision
from contract.bus.stream_info import StreamState
from contract.errors import BusError, DocQAError
from contract.messages import Answer, Failure, encode
from contract.settings import Secret
from contract.topology import JobName
from ops.backup import archive, stream_snapshots
from ops.backup.archive import DamagedError
from ops.backup.create import in_order
from ops.backup.trial import try_out
from ops.console import Console
from ops.nats import address, reload
from tests.support.bus_side import count, new_job, publish, result_of
from tests.support.embedded import Embedded
from tests.support.engines import Noting
from tests.support.nats_server import RunningServer
from tests.support.worker_side import working

RESULTS = f"KV_{topology.RESULTS_BUCKET}"
TEXT = "Where is the silver spoon?"


@pytest.fixture
def embedded(tmp_path: Path) -> Embedded:
    return Embedded(tmp_path)


@pytest.fixture
def other(tmp_path: Path) -> Embedded:
    """Another machine: nothing but the folder of backups is common."""
    return Embedded(tmp_path, "elsewhere")


async def filled(bus: Bus, jobs: int = 3) -> list[JobName]:
    """Jobs that wait, one that was delivered and not acked, and a result."""
    names = [await publish(bus, f"{TEXT} {number}") for number in range(jobs)]
    subscription = await bus.js.pull_subscribe_bind(topology.WORKER_DURABLE, topology.JOBS_STREAM)
    await subscription.fetch(1)
    await bus.results.create(new_job().key, b'{"status": "done"}')
    return names


async def waiting(bus: Bus) -> set[str]:
    info = await bus.js.stream_info(topology.JOBS_STREAM, subjects_filter=">")
    return set(info.state.subjects or {})


def test_jobs_are_saved_first_then_letters_then_results_then_whatever_there_is() -> None:
    found = in_order(["KV_A", "DOCQA_DEAD", "KV_DOCQA_META", "KV_DOCQA_RESULTS", "DOCQA_JOBS", "Z"])
    assert found == ["DOCQA_JOBS", "DOCQA_DEAD", "KV_DOCQA_RESULTS", "KV_A", "Z"]


async def test_what_was_saved_from_a_running_bus_comes_back_on_another_machine(
    embedded: Embedded, other: Embedded
) -> None:
    async with embedded.running() as bus:
        jobs = await filled(bus)
        path = await embedded.backup()
    assert path.stat().st_mode & 0o777 == 0o600
    outcome = await other.restore(path)
    assert outcome.streams[topology.JOBS_STREAM] == outcome.waiting == 3
    async with other.running() as bus:
        assert await waiting(bus) == {job.subject for job in jobs}
        assert await count(bus, RESULTS) == 1
        state = await bus.queue_state()
        assert state.running == 0, "a job that was in flight must come again at once"
        subscription = await bus.js.pull_subscribe_bind(topology.WORKER_DURABLE, topology.JOBS_STREAM)
        assert len(await subscription.fetch(3)) == 3


async def test_a_backup_says_what_is_in_it_and_that_it_was_tried(embedded: Embedded) -> None:
    async with embedded.running() as bus:
        await filled(bus)
        manifest = archive.read_manifest(await embedded.backup(is_verified=True))
        assert {stream.name for stream in manifest.streams} == set(await stream_snapshots.names(bus)) - {
            "KV_DOCQA_META"
        }
    assert manifest.is_verified
    assert [stream.name for stream in manifest.streams][:3] == ["DOCQA_JOBS", "DOCQA_DEAD", RESULTS]
    assert manifest.settings["DOCQA_REPLICAS"] == "1"
    assert manifest.nats_version.startswith("2.")


async def test_a_bucket_that_nobody_told_the_backup_of_is_in_it(embedded: Embedded, other: Embedded) -> None:
    async with embedded.running() as bus:
        bucket = await bus.js.create_key_value(KeyValueConfig(bucket="SOMETHING_NEW"))
        await bucket.put("key", b"value")
        path = await embedded.backup()
    await other.restore(path)
    async with other.running() as bus:
        assert (await (await bus.js.key_value("SOMETHING_NEW")).get("key")).value == b"value"


async def test_a_store_at_rest_is_saved_too(embedded: Embedded) -> None:
    async with embedded.running() as bus:
        await filled(bus)
    manifest = archive.read_manifest(await embedded.backup())
    assert {stream.name: stream.taken.state.messages for stream in manifest.streams}["DOCQA_JOBS"] == 3


async def test_publishers_and_tokens_come_back_and_secrets_are_not_in_it(embedded: Embedded, other: Embedded) -> None:
    data = embedded.settings.data_dir
    async with embedded.running():
        publisher = data / "nats" / "publishers" / "alice.json"
        publisher.parent.mkdir()
        publisher.write_text('{"url": "nats://127.0.0.1:1", "user": "publisher-alice", "password": "pw-of-alice"}')
        (data / "tokens.json").write_text('{"tokens": []}')
        path = await embedded.backup({"DOCQA_TOKEN": "the-one-token"})
    content = path.read_bytes()
    assert b"the-one-token" not in content
    password = (data / "nats" / "credentials" / "admin").read_bytes()
    assert password not in content
    await other.restore(path)
    assert (other.settings.data_dir / "tokens.json").read_text() == '{"tokens": []}'
    async with other.running():
        put_back = other.settings.data_dir / "nats" / "publishers" / "alice.json"
        assert "pw-of-alice" in put_back.read_text(encoding="utf-8")


async def test_data_is_replaced_only_when_told_and_saved_before(embedded: Embedded) -> None:
    async with embedded.running() as bus:
        first = await publish(bus)
        path = await embedded.backup()
        second = await publish(bus)
    with pytest.raises(DocQAError, match=r"There is data already \(2 in DOCQA_JOBS\): --replace backs it up"):
        await embedded.restore(path)
    outcome = await embedded.restore(path, replace=True)
    async with embedded.running() as bus:
        assert await waiting(bus) == {first.subject}
    assert outcome.before
    await embedded.restore(outcome.before, replace=True)
    async with embedded.running() as bus:
        assert await waiting(bus) == {first.subject, second.subject}


async def test_a_bus_that_runs_is_not_restored_under_its_feet(embedded: Embedded) -> None:
    async with embedded.running() as bus:
        await publish(bus)
        path = await embedded.backup()
        with pytest.raises(DocQAError, match=r"already runs on .*: stop it before restoring\."):
            await embedded.restore(path, replace=True)


async def test_a_bus_that_somebody_else_runs_is_restored_while_it_runs(
    server: RunningServer, embedded: Embedded
) -> None:
    login = {"DOCQA_NATS_URL": server.url, "DOCQA_NATS_PASSWORD": server.credentials.read("admin")}
    async with server.bus() as bus:
        jobs = await filled(bus)
        path = await embedded.backup(login)
        later = await publish(bus)
        with pytest.raises(DocQAError, match="There is data already"):
            await embedded.restore(path, login)
        outcome = await embedded.restore(path, login, replace=True)
        assert await waiting(bus) == {job.subject for job in jobs}
        assert later.subject not in await waiting(bus)
        assert outcome.before
        await provision(bus, server.settings)


async def test_a_restore_of_a_running_bus_that_was_broken_off_is_seen_and_finished(
    server: RunningServer, embedded: Embedded
) -> None:
    login = {"DOCQA_NATS_URL": server.url, "DOCQA_NATS_PASSWORD": server.credentials.read("admin")}
    async with server.bus() as bus:
        jobs = await filled(bus)
        path = await embedded.backup(login)
        await restore_mark.note_unfinished(bus, is_unfinished=True)
        for name in (topology.JOBS_STREAM, RESULTS):
            await stream_snapshots.delete(bus, name)
        with pytest.raises(BusError, match="A restore of this bus was broken off"):
            await provision(bus, server.settings)
        await embedded.restore(path, login)
        assert await waiting(bus) == {job.subject for job in jobs}
        await provision(bus, server.settings)


async def test_a_changed_byte_is_found_before_anything_is_restored(embedded: Embedded, other: Embedded) -> None:
    async with embedded.running() as bus:
        await filled(bus)
        path = await embedded.backup()
    manifest = archive.read_manifest(path)
    content = bytearray(path.read_bytes())
    content[manifest.streams[0].member.offset + 100] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedError):
        await try_out(
            path, manifest.streams, embedded.settings, embedded.backups.work_folder("trial"), Console(quiet=True)
        )
    with pytest.raises(DamagedError):
        await other.restore(path)
    assert not other.store.exists()


async def test_another_count_than_the_manifests_is_found(embedded: Embedded) -> None:
    async with embedded.running() as bus:
        await filled(bus)
        manifest = archive.read_manifest(path := await embedded.backup(is_verified=True))
    stream = manifest.streams[0]
    wrong = archive.Stream(stream.member, stream.taken, StreamState(4, 1, 4))
    with pytest.raises(DamagedError, match="DOCQA_JOBS has 3 messages, the manifest says 4"):
        await try_out(path, [wrong], embedded.settings, embedded.backups.work_folder("trial"), Console(quiet=True))


async def test_a_restored_job_has_its_whole_deadline_and_one_with_a_result_is_not_run_again(
    server: RunningServer, embedded: Embedded
) -> None:
    """The bus keeps a message's time: without the mark all of them would be too late."""
    login = {"DOCQA_NATS_URL": server.url, "DOCQA_NATS_PASSWORD": server.credentials.read("admin")}
    async with server.bus() as bus:
        late = await publish(bus, deadline_s=1.5)
        ended = await publish(bus, "Ended?", deadline_s=1.5)
        failure = Failure(id=ended.job_id, code="cancelled", detail="Before the backup.")
        await bus.results.create(ended.key, encode(failure))
        path = await embedded.backup(login)
        await asyncio.sleep(1.6)
        await embedded.restore(path, login, replace=True)
        engine = Noting()
        async with working(server, engine):
            answer = await result_of(bus, late)
            assert isinstance(answer, Answer), answer
            assert answer.timings.queued_ms < 1600, "it counts from the restore"
            assert await result_of(bus, ended) == failure
        assert len(engine.asked) == 1
        # A job that came after the restore counts from its own acceptance.
        mark = await restore_mark.read(bus)
        assert mark
        new = await publish(bus)
        found = await bus.find_job(new)
        assert found
        assert mark.counts_from_s(time.time() - 10, found.seq) < mark.at_s
        assert mark.counts_from_s(time.time() - 10, found.seq - 1) == mark.at_s


@pytest.mark.parametrize("cipher", ["chachapoly", "aes"])
async def test_an_encrypted_store_holds_no_text_and_its_backup_comes_back_under_any_key(
    tmp_path: Path, cipher: str
) -> None:
    keyed = Embedded(tmp_path, store_key=Secret("k" * 32), store_cipher=cipher)
    plain = Embedded(tmp_path, "plain")
    async with keyed.running() as bus:
        jobs = await filled(bus)
        path = await keyed.backup()
    assert not _holds(keyed.store, TEXT)
    async with keyed.running() as bus:
        assert await waiting(bus) == {job.subject for job in jobs}
    await plain.restore(path)
    assert _holds(plain.store, TEXT), "the test looks for the text in the wrong place"
    rekeyed = Embedded(tmp_path, "rekeyed", store_key=Secret("r" * 32), store_cipher=cipher)
    await rekeyed.restore(path)
    assert not _holds(rekeyed.store, TEXT)
    async with rekeyed.running() as bus:
        assert await waiting(bus) == {job.subject for job in jobs}


async def test_a_store_that_was_plain_is_encrypted_at_the_next_start_and_refuses_another_key(tmp_path: Path) -> None:
    embedded = Embedded(tmp_path)
    async with embedded.running() as bus:
        await filled(bus)
    assert _holds(embedded.store, TEXT)
    keyed = Embedded(tmp_path, store_key=Secret("k" * 32))
    async with keyed.running() as bus:
        assert len(await waiting(bus)) == 3
    assert not _holds(embedded.store, TEXT)
    with pytest.raises(DocQAError, match="was encrypted with another key"):
        async with Embedded(tmp_path, store_key=Secret("w" * 32)).running():
            pass
    async with keyed.running() as bus:
        assert len(await waiting(bus)) == 3, "a refused start must leave the store as it was"


async def test_publishers_are_brought_to_a_running_bus_that_encrypts(tmp_path: Path) -> None:
    """Its configuration, which is written anew for that, names the key and does not hold it."""
    keyed = Embedded(tmp_path, store_key=Secret("k" * 32))
    data = keyed.settings.data_dir
    async with keyed.running() as bus:
        publishers = address.publishers(data)
        async with publishers.locked():
            publishers.add("alice", "nats://127.0.0.1:4222")
            assert await reload.apply(address.bus_folder(data), address.credentials(data), publishers)
        await filled(bus)
    async with keyed.running() as bus:
        assert len(await waiting(bus)) == 3
    assert not _holds(data, "k" * 32)
    assert not _holds(data, TEXT)


def _holds(store: Path, text: str) -> bool:
    return any(text.encode() in path.read_bytes() for path in store.rglob("*") if path.is_file())
