"""A folder that the library follows: files come, change, move and go, and a share that drops out removes nothing."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contract.documents import DocumentStatus
from contract.errors import LibraryRefusedError
from contract.library_messages import ScanReply, ScanRequest
from library.readers import Reading, read_file
from library.root import root as following
from tests.support.library_service import Client, running, settings_for
from tests.support.nats_server import RunningServer
from tests.support.waiting import eventually

READ: list[str] = []


async def noting(file: Path, *, name: str, **options: object) -> Reading:
    READ.append(name)
    return await read_file(file, name=name, **options)  # type: ignore[arg-type]  # as they were given


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "smith").mkdir(parents=True)
    (root / "smith" / "lease.txt").write_text("The rent of the mill is 950 euros a month.")
    (root / "jones.txt").write_text("The goblins keep nine geese.")
    return root


@pytest.fixture
async def client(
    server: RunningServer, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Client]:
    monkeypatch.setattr(following, "SETTLES_S", 0.05)
    monkeypatch.setattr(following, "_AGAIN_AFTER_S", 0.2)
    READ.clear()
    data_dir = tmp_path / "data"
    async with server.bus() as bus, running(settings_for(server, data_dir, root=folder), noting):
        yield Client(bus, data_dir)


async def named(client: Client, *names: str, state: str = "ready") -> dict[str, DocumentStatus]:
    """The documents of `root`, once they are exactly these."""

    async def probe() -> list[dict[str, DocumentStatus]]:
        found = {one.name: one for one in (await client.listed(space="root")).documents}
        is_all = sorted(found) == sorted(names) and all(one.state == state for one in found.values())
        return [found] if is_all else []

    return (await eventually(probe, f"root holds {names}", 60))[0]


async def scan(client: Client, *, confirm: bool = False) -> ScanReply:
    return await client.ask("scan", ScanRequest(confirm_removals=confirm), ScanReply)


async def test_files_are_read_found_followed_and_gone_with_the_file(client: Client, folder: Path) -> None:
    before = await named(client, "smith/lease.txt", "jones.txt")
    assert {hit.name for hit in await client.search("rent of the mill", path="smith")} == {"smith/lease.txt"}
    (folder / "jones.txt").write_text("The goblins keep ten geese.")

    async def is_changed() -> bool:
        (status,) = [one for one in (await client.listed(space="root")).documents if one.name == "jones.txt"]
        return status.state == "ready" and status.version != before["jones.txt"].version

    await eventually(is_changed, "the change is read", 60)
    assert (await named(client, "smith/lease.txt", "jones.txt"))["jones.txt"].id == before["jones.txt"].id

    (folder / "old").mkdir()
    (folder / "smith" / "lease.txt").rename(folder / "old" / "contract.txt")
    after = await named(client, "old/contract.txt", "jones.txt")
    assert after["old/contract.txt"].id == before["smith/lease.txt"].id
    assert READ.count("smith/lease.txt") == 1
    assert "old/contract.txt" not in READ
    assert {hit.name for hit in await client.search("rent of the mill", path="old")} == {"old/contract.txt"}
    assert not await client.search("rent of the mill", path="smith")

    (folder / "jones.txt").unlink()
    await named(client, "old/contract.txt")
    with pytest.raises(LibraryRefusedError):
        await client.text(before["jones.txt"].id)


async def test_a_share_that_drops_out_removes_nothing(client: Client, folder: Path) -> None:
    await named(client, "smith/lease.txt", "jones.txt")
    away = folder.with_name("away")
    folder.rename(away)
    assert "can't be read" in (await scan(client)).problem
    folder.mkdir()
    found = await scan(client)
    assert ("empty" in found.problem, found.removals_held) == (True, 2)
    await named(client, "smith/lease.txt", "jones.txt")
    shutil.rmtree(folder)
    away.rename(folder)
    assert (await scan(client)).problem == ""
    await named(client, "smith/lease.txt", "jones.txt")
    assert len(READ) == 2


async def test_what_is_confirmed_is_removed(client: Client, folder: Path) -> None:
    await named(client, "smith/lease.txt", "jones.txt")
    shutil.rmtree(folder)
    folder.mkdir()
    assert (await scan(client)).removals_held == 2
    assert (await scan(client, confirm=True)).removals_held == 0
    await named(client)


async def test_what_is_left_alone_is_said(client: Client, folder: Path) -> None:
    (folder / "out").symlink_to("/etc/passwd")
    found = await scan(client)
    assert [(one.path, "link" in one.why) for one in found.odd] == [("out", True)]


async def test_files_of_root_are_not_erased_by_a_request(client: Client) -> None:
    found = await named(client, "smith/lease.txt", "jones.txt")
    with pytest.raises(LibraryRefusedError) as refused:
        await client.delete(found["jones.txt"].id)
    assert refused.value.code == "root-read-only"


async def test_without_a_root_there_is_nothing_to_look_at(server: RunningServer, tmp_path: Path) -> None:
    async with server.bus() as bus, running(settings_for(server, tmp_path)):
        with pytest.raises(LibraryRefusedError, match="DOCQA_ROOT"):
            await scan(Client(bus, tmp_path))
