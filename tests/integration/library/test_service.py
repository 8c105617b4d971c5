"""The library on a real bus: documents come in, are found, are read, are erased, and are their owner's alone."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec import UNSET
from nats.aio.msg import Msg
from numpy.typing import NDArray
from uuid_utils import uuid7

from contract import topology
from contract.bus import Bus
from contract.documents import GRANTS_FILE, LIBRARY_FOLDER
from contract.embedding import Embedders
from contract.errors import LibraryRefusedError
from contract.grants_file import Grant, GrantsFile, encode
from contract.library_messages import (
    ErasedReply,
    OriginalReply,
    OriginalRequest,
    SnapshotReply,
    SnapshotRequest,
    SpacesReply,
    SpacesRequest,
)
from contract.library_messages import encode as encode_message
from contract.messages import Answer, Citation, Failure, Timings, Usage, WorkerAnnouncement, decode_result
from contract.messages import encode as encode_result
from contract.settings import Secret
from contract.topology import JobName
from library.readers import Reading, read_file
from library.service import IMPORTS_AT_A_TIME, Library
from library.store.sqlite import SqliteStore
from tests.support.library_service import Client, running, settings_for
from tests.support.library_side import files_that_hold
from tests.support.nats_server import RunningServer
from tests.support.waiting import eventually
from tests.unit.library.test_embedding import Words

LEASE = (
    b"# Rent\n\nThe rent is 1,200.50 euros a month. It is paid in advance.\n\n# Notice\n\nEither party gives notice.\n"
)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
async def admin(server: RunningServer) -> AsyncIterator[Bus]:
    async with server.bus() as bus:
        yield bus


@pytest.fixture
async def anna(server: RunningServer, admin: Bus, data_dir: Path) -> AsyncIterator[Client]:
    """A client of a library where tokens are in use."""
    async with running(settings_for(server, data_dir, token=Secret("dq_x"))):
        yield Client(admin, data_dir, "anna")


def other(client: Client, name: str, publisher: str = "http") -> Client:
    return Client(client.bus, client.spool.parent.parent, name, publisher)


def grant(data_dir: Path, *grants: Grant, spaces: tuple[str, ...] = ("contracts",)) -> None:
    (data_dir / LIBRARY_FOLDER / GRANTS_FILE).write_bytes(encode(GrantsFile(spaces=spaces, grants=grants)))


async def refusal(client: Client, document: str) -> tuple[str, str]:
    with pytest.raises(LibraryRefusedError) as refused:
        await client.text(document)
    return refused.value.code, str(refused.value)


async def test_a_document_is_read_found_and_shown(anna: Client) -> None:
    status = await anna.add("lease.md", LEASE)
    assert (status.state, status.name, status.space) == ("ready", "lease.md", "http.anna")
    hit = (await anna.search("How high is the rent?"))[0]
    text = await anna.text(status.id)
    assert (hit.document, hit.version) == (status.id, status.version)
    assert text.text[hit.start : hit.end] == hit.text
    best = hit.sentences[0]
    assert text.text[best.start : best.end] == "The rent is 1,200.50 euros a month."
    assert [one.name for one in (await anna.listed()).documents] == ["lease.md"]
    assert not list(anna.spool.iterdir())


async def test_the_same_file_again_is_the_same_document(anna: Client) -> None:
    first = await anna.add("lease.md", LEASE)
    again = await anna.put("lease.md", LEASE)
    assert (again.document, again.generation, again.state) == (first.id, first.generation, "ready")
    assert (await anna.put("copy.md", LEASE)).document != first.id


async def test_a_new_version_is_found_and_the_former_one_still_read_by_who_cites_it(anna: Client) -> None:
    first = await anna.add("lease.md", LEASE)
    second = await anna.add("lease.md", b"The rent is 900 euros a month.", document=first.id)
    assert second.id == first.id
    assert {hit.version for hit in await anna.search("rent")} == {second.version}
    assert "1,200.50" in (await anna.text(first.id, version=first.version)).text


async def test_secrets_are_taken_out_of_texts_and_counted(anna: Client) -> None:
    status = await anna.add("invoice.txt", b"Card 4111 1111 1111 1111. Account DE89 3704 0044 0532 0130 00.")
    text = (await anna.text(status.id)).text
    assert "4111" not in text
    assert "DE89 3704 0044 0532 0130 00" in text
    assert sum(status.redactions.values()) == 1
    original = await anna.ask("original", OriginalRequest(document=status.id), OriginalReply)
    assert b"4111" in original.content


async def test_other_rules_read_documents_anew_from_their_originals(
    server: RunningServer, admin: Bus, data_dir: Path
) -> None:
    client = Client(admin, data_dir)
    async with running(settings_for(server, data_dir)):
        before = await client.add("invoice.txt", b"Pay to DE89 3704 0044 0532 0130 00 by Friday.")
        assert "DE89" in (await client.text(before.id)).text
    async with running(settings_for(server, data_dir, redact="iban")) as library:

        async def is_anew() -> bool:
            status = await client.status(before.id)
            return status is not None and status.state == "ready" and status.version != before.version

        await eventually(is_anew, "it is read anew", 60)
        assert "DE89" not in (await client.text(before.id)).text
        assert {hit.document for hit in await client.search("pay by Friday")} == {before.id}
        library.store.check()


async def test_what_can_not_be_read_is_a_failure_that_says_why(anna: Client) -> None:
    status = await anna.add("cut.pdf", b"%PDF-1.7\n1 0 obj\n<<")
    assert (status.state, bool(status.code), status.detail[-1]) == ("failed", True, ".")
    with pytest.raises(LibraryRefusedError, match="could not be read"):
        await anna.text(status.id)
    with pytest.raises(LibraryRefusedError, match="The document could not be read"):
        await anna.search("rent", documents=[status.id])


async def test_anothers_document_answers_like_one_that_does_not_exist(anna: Client) -> None:
    mine = await anna.add("lease.md", LEASE)
    missing = "00000000-0000-8000-8000-000000000000"
    for stranger in (other(anna, "bob"), other(anna, "anna", "alice"), other(anna, "root"), other(anna, "local")):
        assert await refusal(stranger, mine.id) == await refusal(stranger, missing)
        assert await stranger.status(mine.id) is None
        assert not await stranger.search("rent")
        assert not (await stranger.listed()).documents
        for document in (mine.id, missing):
            with pytest.raises(LibraryRefusedError, match="no such document"):
                await stranger.delete(document)
            with pytest.raises(LibraryRefusedError, match="no such document"):
                await stranger.search("rent", documents=[document])
            with pytest.raises(LibraryRefusedError, match="no such document"):
                await stranger.put("lease.md", b"mine now", document=document)
    assert (await anna.status(mine.id)) == mine


async def test_a_shared_space_is_its_members(anna: Client, data_dir: Path) -> None:
    bob = other(anna, "bob")
    grant(
        data_dir,
        Grant(publisher="http", client="anna", space="contracts", access="write"),
        Grant(publisher="http", client="bob", space="contracts", access="read"),
    )
    shared = await anna.add("lease.md", LEASE, space="contracts")
    assert {hit.document for hit in await bob.search("rent", space="contracts")} == {shared.id}
    assert (await bob.listed(space="contracts")).spaces == ["contracts", "http.bob"]
    with pytest.raises(LibraryRefusedError) as refused:
        await bob.put("x.txt", b"x", space="contracts")
    assert refused.value.code == "space-read-only"
    with pytest.raises(LibraryRefusedError):
        await bob.delete(shared.id)
    grant(data_dir)
    assert await bob.status(shared.id) is None
    assert not await bob.search("rent")
    with pytest.raises(LibraryRefusedError) as refused:
        await bob.search("rent", space="contracts")
    assert refused.value.code == "space-gone"


async def test_the_spaces_are_those_that_may_be_read_the_own_one_first(anna: Client, data_dir: Path) -> None:
    bob = other(anna, "bob")
    grant(
        data_dir,
        Grant(publisher="http", client="anna", space="contracts", access="write"),
        Grant(publisher="http", client="bob", space="contracts", access="read"),
        Grant(publisher="http", client="bob", space="root/smith", access="read"),
        spaces=("contracts", "hidden"),
    )
    await anna.add("lease.md", LEASE, space="contracts")
    await anna.add("own.md", LEASE)
    found = (await bob.ask("spaces", SpacesRequest(), SpacesReply)).spaces
    assert [(one.name, one.documents, one.may_write, one.is_own) for one in found] == [
        ("http.bob", 0, True, True),
        ("contracts", 1, False, False),
        ("root", 0, False, False),
    ]
    own = (await anna.ask("spaces", SpacesRequest(), SpacesReply)).spaces[0]
    assert {hit.name for hit in await anna.search("rent", space=own.name)} == {"own.md"}


async def test_a_list_goes_on_where_its_page_ended(anna: Client) -> None:
    for number in range(3):
        await anna.add(f"{number}.md", LEASE)
    first = await anna.listed(limit=2)
    second = await anna.listed(limit=2, cursor=first.cursor)
    assert [one.name for one in (*first.documents, *second.documents)] == ["0.md", "1.md", "2.md"]
    assert (first.total, second.cursor) == (3, "")


async def test_a_space_without_a_grant_answers_like_one_that_does_not_exist(anna: Client, data_dir: Path) -> None:
    grant(data_dir)
    sentences = set()
    for space in ("contracts", "missing", "http.bob", "root"):
        with pytest.raises(LibraryRefusedError) as refused:
            await anna.listed(space=space)
        sentences.add((refused.value.code, str(refused.value).replace(space, "X")))
    assert len(sentences) == 1


async def test_a_document_that_was_erased_is_on_no_file_any_more(anna: Client, data_dir: Path) -> None:
    kept = await anna.add("kept.md", b"Nothing of this goes.")
    status = await anna.add("quagmire.txt", b"The xylophonist plays the quinquereme.")
    await anna.add("quagmire.txt", b"A later zymurgist of the xenolith.", document=status.id)
    assert await anna.delete(status.id) in ("erasing", "erased")
    assert not await anna.search("zymurgist")
    await anna.erased(status.id)
    words = [b"xylophonist", b"quinquereme", b"zymurgist", b"xenolith", b"quagmire"]
    assert not list(files_that_hold(data_dir, words))
    assert await anna.status(status.id) is None
    assert (await anna.status(kept.id)) == kept


async def test_what_names_an_erased_document_is_erased_on_the_message_bus_too(anna: Client) -> None:
    status = await anna.add("lease.md", LEASE)
    other_id = "00000000-0000-8000-8000-000000000000"
    bus, job = anna.bus, JobName("http", "anna", str(uuid7()))
    beside = JobName("http", "anna", str(uuid7()))
    for name, document in ((job, status.id), (beside, other_id)):
        cited = Citation(document=document, start=0, end=4, quote="Rent", score=1.0)
        answer = Answer(
            id=name.job_id, answer="Rent", finish_reason="stop", model="m", usage=Usage(1, 1),
            timings=Timings(0, 0, 0, 0), citations=[cited], cache_key="http.anna.x" if name == job else UNSET,
        )  # fmt: skip
        await bus.results.create(name.key, encode_result(answer))
    await bus.cache.put("http.anna.x", b"Rent")
    letter = topology.dead_subject("engine-error", job.job_id)
    await bus.publish_dead(letter, b'{"documents":["%s"]}' % status.id.encode(), "1")
    await anna.erased(status.id)
    for name, code in ((job, "erased"), (beside, "")):
        entry = await bus.results.get(name.key)
        assert entry
        assert getattr(decode_result(entry.value), "code", "") == code
    cached = await bus.cache.get("http.anna.x")
    assert cached
    assert cached.value == b""
    assert await bus.next_stored(topology.DEAD_STREAM, 1, topology.DEAD_SUBJECTS) is None


async def test_what_was_made_of_an_erased_document_is_in_no_file_of_the_message_bus(
    anna: Client, server: RunningServer
) -> None:
    status = await anna.add("lease.md", LEASE)
    bus, words = anna.bus, [b"quinquereme", b"zymurgist", b"xylophonist"]
    job, beside = JobName("http", "anna", str(uuid7())), JobName("http", "anna", str(uuid7()))
    for name, document in ((job, status.id), (beside, "00000000-0000-8000-8000-000000000000")):
        cited = Citation(document=document, start=0, end=4, quote="quinquereme" if name == job else "Rent", score=1.0)
        answer = Answer(
            id=name.job_id, answer="Rent", finish_reason="stop", model="m", usage=Usage(1, 1),
            timings=Timings(0, 0, 0, 0), citations=[cited], cache_key="http.anna.x" if name == job else UNSET,
        )  # fmt: skip
        await bus.results.create(name.key, encode_result(answer))
    await bus.cache.put("http.anna.x", b"zymurgist")
    letter = topology.dead_subject("engine-error", job.job_id)
    await bus.publish_dead(letter, b'{"documents":["%s"], "xylophonist":1}' % status.id.encode(), "1")
    assert {word for _, word in files_that_hold(server.folder, words)} == set(words)
    await anna.erased(status.id)
    assert not list(files_that_hold(server.folder, words))
    erased, kept = await bus.results.get(job.key), await bus.results.get(beside.key)
    assert erased
    assert kept
    assert isinstance(decode_result(erased.value), Failure)
    assert isinstance(decode_result(kept.value), Answer)


async def test_a_result_that_was_deleted_when_the_library_was_killed_is_written_as_erased(
    server: RunningServer, admin: Bus, data_dir: Path
) -> None:
    """Between the two writes there is no result: a job that was answered must not be left without one."""
    job = JobName("http", "anna", str(uuid7()))
    store = SqliteStore(data_dir / LIBRARY_FOLDER)
    store.owe_result(job.key)
    store.close()
    async with running(settings_for(server, data_dir)) as library:
        await eventually(partial(is_erased, admin, job), "the failure is written")
        await eventually(partial(owes_nothing, library), "it is settled")


async def owes_nothing(library: Library) -> bool:
    return not library.store.owed_results()


async def is_erased(bus: Bus, job: JobName) -> bool:
    entry = await bus.results.get(job.key)
    return entry is not None and isinstance(decode_result(entry.value), Failure)


async def test_a_document_is_erased_once_every_worker_that_lives_has_confirmed(anna: Client) -> None:
    status = await anna.add("lease.md", LEASE)
    asked: asyncio.Queue[Msg] = asyncio.Queue()
    announced = WorkerAnnouncement(
        id="w1", model="m", slots=1, busy=0, held=0, jobs_per_s=0, tokens_per_s=0, memory_bytes=0, context_tokens=1,
        max_prompt_bytes=1, confirms_erasures=True,
    )  # fmt: skip

    async def announce(_: Msg) -> None:
        await anna.bus.publish(topology.worker_subject("w1"), encode_result(announced))

    await anna.bus.subscribe(topology.ROLL_CALL_SUBJECT, announce)
    await anna.bus.subscribe(topology.ERASED_SUBJECTS, asked.put)
    assert await anna.delete(status.id) == "erasing"
    notice = await asyncio.wait_for(asked.get(), 10)
    assert await anna.delete(status.id) == "erasing"
    await anna.bus.publish(notice.reply, encode_message(ErasedReply(worker="w1")))
    await anna.erased(status.id)


async def test_what_waits_is_queued_and_can_be_erased(server: RunningServer, admin: Bus, data_dir: Path) -> None:
    client = Client(admin, data_dir)
    go_on = asyncio.Event()

    async def read(file: Path, **options: Any) -> Reading:
        await go_on.wait()
        return await read_file(file, **options)

    async with running(settings_for(server, data_dir), read):
        before = [await client.put(f"{number}.md", LEASE) for number in range(IMPORTS_AT_A_TIME)]
        for one in before:
            await eventually(partial(is_reading, client, one.document), "it is being read")
        placed = await client.put("waiting.md", LEASE)
        status = await client.status(placed.document)
        assert status
        assert (status.state, status.name) == ("queued", "waiting.md")
        assert await other(client, "bob").status(placed.document) is None
        listed = await client.listed()
        assert [one.name for one in listed.documents] == ["0.md", "1.md", "waiting.md"]
        assert listed.total == 3
        assert not (await other(client, "bob").listed()).documents
        await client.erased(placed.document)
        assert await client.status(placed.document) is None
        assert [one.name for one in (await client.listed()).documents] == ["0.md", "1.md"]
        go_on.set()
        assert [(await client.settled(one.document)).state for one in before] == ["ready"] * len(before)
        assert (await client.add("last.md", LEASE)).state == "ready"
        assert await client.status(placed.document) is None


async def is_reading(client: Client, document: str) -> bool:
    status = await client.status(document)
    return status is not None and status.state == "reading"


async def test_without_tokens_the_one_user_reads_all_that_is_shared(
    server: RunningServer, admin: Bus, data_dir: Path
) -> None:
    client = Client(admin, data_dir)
    async with running(settings_for(server, data_dir)):
        grant(data_dir)
        await client.add("lease.md", LEASE, space="contracts")
        assert (await client.listed()).spaces == ["contracts", "http.local", "root"]
        assert await client.search("rent")
        assert not await other(client, "local", "alice").search("rent")


async def test_a_full_library_says_so(server: RunningServer, admin: Bus, data_dir: Path) -> None:
    client = Client(admin, data_dir)
    async with running(settings_for(server, data_dir, library_max_mb=1)):
        with pytest.raises(LibraryRefusedError) as refused:
            await client.put("large.txt", b"x" * 2**20)
        assert (refused.value.code, refused.value.retry_after_s > 0) == ("library-full", True)


async def test_a_long_text_comes_in_pages_of_the_bus(anna: Client) -> None:
    text = "".join(f"Line {number} of many.\n" for number in range(40_000))
    status = await anna.add("long.txt", text.encode())
    parts, position = [], 0
    while True:
        reply = await anna.text(status.id, start=position)
        parts.append(reply.text)
        if reply.next is None:
            break
        position = reply.next
    assert "".join(parts).strip() == text.strip()
    assert len(parts) > 1


async def test_a_snapshot_is_the_whole_store(anna: Client, data_dir: Path) -> None:
    await anna.add("lease.md", LEASE)
    reply = await anna.ask("snapshot", SnapshotRequest(), SnapshotReply)
    assert (data_dir / LIBRARY_FOLDER / reply.file).stat().st_size == reply.size_bytes > 0


async def test_a_bad_request_is_one_sentence(anna: Client) -> None:
    with pytest.raises(LibraryRefusedError, match="query") as refused:
        await anna.ask("search", SnapshotRequest(), SnapshotReply)
    assert refused.value.code == "bad-request"


class Held(Words):
    """An embedder that makes no passage's vector before it is let."""

    def __init__(self) -> None:
        super().__init__("held")
        self.let = threading.Event()

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.let.wait(30)
        return super().embed_passages(texts)


async def test_a_search_waits_for_the_vectors_of_a_short_document_that_has_just_become_ready(
    server: RunningServer, admin: Bus, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("library.answers._VECTORS_WITHIN_S", 30.0)
    held = Held()
    async with running(settings_for(server, data_dir, token=Secret("dq_x")), embedders=Embedders(held)):
        anna = Client(admin, data_dir, "anna")
        try:
            document = (await anna.add("house.txt", b"No animal may be kept in the house.")).id
            searching = asyncio.create_task(anna.search("Which dog?", documents=[document]))
            with pytest.raises(LibraryRefusedError, match="no such document"):
                await other(anna, "bert").search("Which dog?", documents=[document])
            assert not searching.done()
        finally:
            held.let.set()
        [hit] = await searching

    assert hit.text == "No animal may be kept in the house."
