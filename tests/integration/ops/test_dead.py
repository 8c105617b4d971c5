"""Dead letters on a real bus: found, replayed as one job however often, dropped."""

import re
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import msgspec
import pytest

from contract import topology
from contract.bus import Bus
from contract.errors import DocQAError
from contract.messages import Answer, DeadLetter, Failure, Query, encode
from contract.settings import QueueSettings
from contract.topology import JobName
from ops import dead_letters
from ops.dead_letters import Found, NotReplayableError
from ops.errors import TryLaterError
from tests.support.bus_side import count, new_job, publish, result_of
from tests.support.engines import Failing, Noting
from tests.support.nats_server import RunningServer
from tests.support.worker_side import working

FULL = "The queue is full (2 jobs)"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RunningServer]:
    """One whose queue takes two jobs."""
    running = RunningServer(tmp_path, QueueSettings(max_queue_size=2))
    running.start()
    await running.provision()
    yield running
    running.stop()


async def bury(
    bus: Bus, job: JobName | None = None, query: Query | None = None, headers: Mapping[str, str] | None = None
) -> Found:
    """A dead letter as a worker leaves it, with its failure."""
    job = job or new_job()
    letter = DeadLetter(
        subject=job.subject,
        reason="attempts-exhausted",
        detail="Three starts.",
        attempts=3,
        headers=dict(headers or {}),
        size_bytes=10,
        sha256="0",
        query=query or Query(query="Who?", max_tokens=7),
    )
    await bus.publish_dead(topology.dead_subject(letter.reason, job.job_id), encode(letter), job.job_id)
    failure = Failure(id=job.job_id, code="attempts-exhausted", detail="Three starts.", dead_letter=True)
    await bus.results.create(job.key, encode(failure))
    return await dead_letters.letter(bus, job.job_id)


async def test_a_replay_is_a_job_of_the_owners_under_a_new_id_and_the_old_failure_stands(server: RunningServer) -> None:
    async with server.bus() as bus:
        found = await bury(bus, new_job("alice", "c7"))
        assert found.job
        again = await dead_letters.replay(bus, found)
        assert (again.publisher, again.client) == ("alice", "c7")
        assert again.job_id != found.job.job_id
        assert topology.is_canonical_uuid(again.job_id)
        async with working(server, Noting()) as _:
            assert isinstance(await result_of(bus, again), Answer)
        old = await result_of(bus, found.job)
        assert isinstance(old, Failure)
        assert old.code == "attempts-exhausted"
        assert (await dead_letters.letter(bus, str(found.seq))).replayed_as == again.job_id


async def test_a_job_that_dies_in_a_worker_can_be_replayed(server: RunningServer) -> None:
    async with server.bus() as bus:
        async with working(server, Failing(3), max_attempts=1):
            job = await publish(bus)
            assert isinstance(await result_of(bus, job), Failure)
        again = await dead_letters.replay(bus, await dead_letters.letter(bus, job.job_id))
        async with working(server, Noting()):
            assert isinstance(await result_of(bus, again), Answer)


async def test_however_often_it_is_tried_and_wherever_it_is_killed_a_replay_is_one_job(server: RunningServer) -> None:
    async with server.bus() as bus:
        found = await bury(bus)
        first = await dead_letters.replay(bus, found)
        # Killed before it was recorded: the letter looks as if it had never been replayed.
        assert await dead_letters.replay(bus, found) == first
        assert await count(bus, topology.JOBS_STREAM) == 1
        engine = Noting()
        async with working(server, engine):
            await result_of(bus, first)
        assert await dead_letters.replay(bus, found) == first
        assert await count(bus, topology.JOBS_STREAM) == 0
        assert len(engine.asked) == 1
        noted = await dead_letters.letter(bus, str(found.seq))
        assert await dead_letters.replay(bus, noted) == first


async def test_a_full_queue_refuses_a_replay_like_any_job_and_notes_nothing(server: RunningServer) -> None:
    async with server.bus() as bus:
        found = await bury(bus)
        for _ in range(2):
            await publish(bus)
        with pytest.raises(TryLaterError, match=re.escape(FULL)):
            await dead_letters.replay(bus, found)
        assert (await dead_letters.letter(bus, str(found.seq))).replayed_as is None


async def test_no_header_that_the_server_obeys_is_sent_on(server: RunningServer) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with server.bus() as bus:
        found = await bury(bus, headers={"Nats-Rollup": "all", "Nats-TTL": "1s", "X-Own": "1", "traceparent": trace})
        again = await dead_letters.replay(bus, found)
        message = await bus.js.get_msg(topology.JOBS_STREAM, subject=again.subject, direct=True)
        sent = {name: value for name, value in (message.headers or {}).items() if not name.startswith("Nats-")}
        assert set(sent) == {"traceparent", "Content-Type", topology.BODY_HASH_HEADER}
        assert "Nats-TTL" not in (message.headers or {})
        assert msgspec.json.decode(message.data or b"", type=Query).max_tokens == 7


async def test_what_nobody_could_read_is_not_replayed(server: RunningServer) -> None:
    async with server.bus() as bus:
        found = await bury(bus)
        unread = msgspec.structs.replace(found, letter=msgspec.structs.replace(found.letter, query=None))
        with pytest.raises(NotReplayableError, match="only its size and hash were stored"):
            await dead_letters.replay(bus, unread)
        nameless = msgspec.structs.replace(found, letter=msgspec.structs.replace(found.letter, subject="docqa.jobs.x"))
        with pytest.raises(NotReplayableError, match="names no publisher"):
            await dead_letters.replay(bus, nameless)


async def test_a_mark_of_another_letter_under_the_same_number_counts_for_nothing(server: RunningServer) -> None:
    """After a restore numbers come a second time."""
    async with server.bus() as bus:
        found = await bury(bus)
        await bus.replays.put(str(found.seq), new_job().job_id.encode())
        assert (await dead_letters.letter(bus, str(found.seq))).replayed_as is None


async def test_a_dropped_letter_is_gone_from_the_disk_too(server: RunningServer) -> None:
    async with server.bus() as bus:
        found = await bury(bus, query=Query(query="Where is the silver spoon?"))
        assert is_on_disk(server, "silver spoon")
        assert await dead_letters.drop(bus, found)
        assert not is_on_disk(server, "silver spoon")
        assert not await dead_letters.drop(bus, found)
        with pytest.raises(DocQAError, match=f"There is no dead letter {found.seq}"):
            await dead_letters.letter(bus, str(found.seq))


def is_on_disk(server: RunningServer, text: str) -> bool:
    store = (server.folder / "store").rglob("*")
    return any(text.encode() in path.read_bytes() for path in store if path.is_file())


def docqa_dead(server: RunningServer, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command as a user runs it, on a bus that somebody else runs."""
    environment = {
        "DOCQA_NATS_URL": server.url,
        "DOCQA_NATS_PASSWORD_FILE": str(server.credentials.path("admin")),
        "HOME": str(server.folder),
    }
    command = [sys.executable, "-m", "ops", "dead", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)


async def test_the_command_lists_shows_replays_until_the_queue_is_full_and_drops(server: RunningServer) -> None:
    async with server.bus() as bus:
        buried = [await bury(bus, query=Query(query=f"Question \x1b[31m{number}")) for number in range(3)]
        listed = docqa_dead(server, "list")
        assert listed.stdout.count("attempts-exhausted") == 3
        assert "\x1b" not in listed.stdout
        shown = msgspec.json.decode(docqa_dead(server, "show", str(buried[0].seq), "--json").stdout)
        assert shown["letter"]["query"]["query"] == "Question \x1b[31m0"
        replayed = docqa_dead(server, "replay", "--all", "--reason", "attempts-exhausted", "--json")
        assert replayed.returncode == 75
        assert replayed.stderr.startswith(f"docqa: {FULL}")
        assert [one["seq"] for one in msgspec.json.decode(replayed.stdout)["replayed"]] == [1, 2]
        assert await count(bus, topology.JOBS_STREAM) == 2
        again = msgspec.json.decode(docqa_dead(server, "show", "1", "--json").stdout)
        assert again["replay"]["status"] == "waiting or running"
        dropped = docqa_dead(server, "drop", "1", "2", "--json")
        assert msgspec.json.decode(dropped.stdout) == {"dropped": [1, 2]}
        assert await count(bus, topology.DEAD_STREAM) == 1


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["show", "7"], 1, "There is no dead letter 7"),
        (["replay"], 2, "say --all"),
        (["replay", "1", "--all"], 2, "say --all"),
        (["drop", "x"], 1, "There is no dead letter x"),
    ],
)
async def test_what_is_not_there_is_told_in_a_sentence(
    server: RunningServer, arguments: list[str], status: int, sentence: str
) -> None:
    found = docqa_dead(server, *arguments)
    assert found.returncode == status
    assert sentence in found.stderr
    assert "Traceback" not in found.stderr
