"""A backup holds the documents: they come back on another machine, and what was erased since does not."""

from pathlib import Path

import pytest

from contract.bus import Bus
from contract.documents import LIBRARY_FOLDER
from contract.errors import AlreadyRunningError, DocQAError
from contract.library_messages import OriginalReply, OriginalRequest
from contract.settings import Secret
from library.settings import LibrarySettings
from ops.backup import archive, library_files
from ops.backup.archive import DamagedError
from ops.nats import address
from tests.support.embedded import Embedded
from tests.support.library_service import Client, running
from tests.support.library_side import files_that_hold
from tests.support.waiting import eventually

LEASE = b"The quinquereme of the goblins is let for 950 euros a month."


def settings_for(embedded: Embedded, bus: Bus) -> LibrarySettings:
    data_dir = embedded.settings.data_dir
    connected = bus.client.connected_url
    assert connected
    return LibrarySettings(
        nats_url=f"nats://{connected.netloc.rpartition('@')[2]}",
        nats_password=Secret(address.credentials(data_dir).read("library")),
        data_dir=data_dir,
        embedding_model="off",
        ack_wait_s=5.0,
    )


@pytest.fixture
def embedded(tmp_path: Path) -> Embedded:
    return Embedded(tmp_path)


@pytest.fixture
def other(tmp_path: Path) -> Embedded:
    return Embedded(tmp_path, "elsewhere")


async def test_documents_and_originals_come_back_on_another_machine(embedded: Embedded, other: Embedded) -> None:
    async with embedded.running() as bus, running(settings_for(embedded, bus)):
        client = Client(bus, embedded.settings.data_dir)
        kept = await client.add("lease.txt", LEASE)
        path = await embedded.backup(is_verified=True)
        assert not list((embedded.settings.data_dir / LIBRARY_FOLDER).glob("snapshot*"))
    manifest = archive.read_manifest(path)
    assert manifest.library
    assert manifest.library.documents == 1
    await other.restore(path)
    async with other.running() as bus, running(settings_for(other, bus)) as library:
        client = Client(bus, other.settings.data_dir)
        assert await client.status(kept.id) == kept
        assert {hit.document for hit in await client.search("quinquereme")} == {kept.id}
        original = await client.ask("original", OriginalRequest(document=kept.id), OriginalReply)
        assert original.content == LEASE
        library.store.check()


async def test_a_backup_of_a_stopped_system_holds_them_too(embedded: Embedded) -> None:
    async with embedded.running() as bus, running(settings_for(embedded, bus)):
        await Client(bus, embedded.settings.data_dir).add("lease.txt", LEASE)
    manifest = archive.read_manifest(await embedded.backup(is_verified=True))
    assert manifest.library
    assert manifest.library.documents == 1


async def test_a_restored_backup_does_not_bring_an_erased_document_back(embedded: Embedded) -> None:
    data_dir = embedded.settings.data_dir
    async with embedded.running() as bus, running(settings_for(embedded, bus)):
        client = Client(bus, data_dir)
        gone, kept = await client.add("lease.txt", LEASE), await client.add("other.txt", b"Nine geese.")
        path = await embedded.backup()
        await client.erased(gone.id)
    with pytest.raises(DocQAError, match="--replace"):
        await embedded.restore(path)
    await embedded.restore(path, replace=True)
    async with embedded.running() as bus, running(settings_for(embedded, bus)):
        client = Client(bus, data_dir)

        async def holds_nothing() -> bool:
            return not list(files_that_hold(data_dir, [b"quinquereme"]))

        await eventually(holds_nothing, "what was erased is erased again", 60)
        assert await client.status(gone.id) is None
        assert (await client.status(kept.id)) == kept


async def test_nothing_is_restored_below_a_running_library(embedded: Embedded, other: Embedded) -> None:
    async with embedded.running() as bus, running(settings_for(embedded, bus)):
        await Client(bus, embedded.settings.data_dir).add("lease.txt", LEASE)
        path = await embedded.backup()
    folder = library_files.folder_of(other.settings.data_dir)
    folder.mkdir(parents=True, mode=0o700)
    (folder / library_files.STORE).write_bytes(b"")
    with library_files.locked(folder), pytest.raises(AlreadyRunningError, match="stop it first"):
        await other.restore(path)


async def test_a_damaged_original_is_found(embedded: Embedded, tmp_path: Path) -> None:
    async with embedded.running() as bus, running(settings_for(embedded, bus)):
        await Client(bus, embedded.settings.data_dir).add("lease.txt", LEASE)
        path = await embedded.backup()
    manifest = archive.read_manifest(path)
    assert manifest.library
    original = next(one for name, one in manifest.library.members.items() if name.startswith("originals/"))
    content = bytearray(path.read_bytes())
    content[original.offset] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedError):
        library_files.check(path, manifest.library, tmp_path / "work")
