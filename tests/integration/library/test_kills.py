"""Whatever is killed at whatever moment: each document ends as one version, and nothing of it is left behind."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from contract.bus import Bus
from contract.documents import LIBRARY_FOLDER
from library.store.sqlite import SqliteStore
from tests.support.library_process import LibraryProcess
from tests.support.library_service import Client
from tests.support.library_side import files_that_hold
from tests.support.nats_server import RunningServer
from tests.support.waiting import eventually

DOCUMENTS = 12
KILLS = 8
WITHIN_S = 1.5


@pytest.fixture
async def admin(server: RunningServer) -> AsyncIterator[Bus]:
    async with server.bus() as bus:
        yield bus


@pytest.fixture
async def library(server: RunningServer, tmp_path: Path) -> AsyncIterator[LibraryProcess]:
    process = LibraryProcess(server, tmp_path / "data", tmp_path / "library.log")
    process.start()
    await process.ready()
    yield process
    await process.stop(signal.SIGKILL)


def content_of(number: int) -> bytes:
    return "\n\n".join(f"Document {number} says {number * part} of word{number}x." for part in range(60)).encode()


async def test_killed_at_any_moment_no_document_is_lost_doubled_or_half(
    library: LibraryProcess, admin: Bus, tmp_path: Path
) -> None:
    client = Client(admin, tmp_path / "data")
    placed = [await client.put(f"{number}.txt", content_of(number)) for number in range(DOCUMENTS)]
    for _ in range(KILLS):
        # A moment is drawn: any of them has to do.
        await asyncio.sleep(random.uniform(0, WITHIN_S))
        await library.stop(signal.SIGKILL)
        library.start()
        await library.ready()
    for number, one in enumerate(placed):
        status = await client.settled(one.document)
        assert (status.state, status.detail) == ("ready", "")
        assert (await client.text(one.document)).text.strip() == content_of(number).decode()
        hits = await client.search(f"word{number}x")
        assert {hit.document for hit in hits} == {one.document}
    await eventually(partial(is_empty, client.spool), "the spool is empty")
    assert await library.stop() == 0
    store = SqliteStore(tmp_path / "data" / LIBRARY_FOLDER)
    assert store.usage().versions == DOCUMENTS
    store.check()
    store.close()


async def is_empty(folder: Path) -> bool:
    return not list(folder.iterdir())


async def test_an_erasure_that_was_killed_is_finished_by_the_next_start(
    library: LibraryProcess, admin: Bus, tmp_path: Path
) -> None:
    client = Client(admin, tmp_path / "data")
    documents = [await client.add(f"{number}.txt", b"The xylophonist plays. %d" % number) for number in range(3)]
    for document in documents:
        await client.delete(document.id)
    await library.stop(signal.SIGKILL)
    library.start()
    await library.ready()
    for document in documents:
        await client.erased(document.id)
    assert not list(files_that_hold(tmp_path / "data", [b"xylophonist"]))


async def test_the_processes_of_a_killed_library_end_with_it(
    library: LibraryProcess, admin: Bus, tmp_path: Path
) -> None:
    client = Client(admin, tmp_path / "data")
    await client.add("a.txt", content_of(1))
    pid = int(str((await library.ready())["pid"]))
    children = psutil.Process(pid).children(recursive=True)
    assert children
    os.kill(pid, signal.SIGKILL)

    async def probe() -> bool:
        return not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)

    await eventually(probe, "its children have ended")


async def test_an_orderly_stop_gives_back_what_is_being_read(
    library: LibraryProcess, admin: Bus, tmp_path: Path
) -> None:
    client = Client(admin, tmp_path / "data")
    placed = [await client.put(f"{number}.txt", content_of(number)) for number in range(4)]
    assert await library.stop() == 0
    library.start()
    await library.ready()
    for one in placed:
        assert (await client.settled(one.document)).state == "ready"
