"""The list of direct publishers: what is written, for whom, and what is refused."""

import asyncio
import os
from pathlib import Path

import pytest

from contract.errors import AlreadyRunningError, BadNameError, DocQAError
from ops.nats import publishers as publisher_list
from ops.nats.publishers import PublisherList, UnknownPublisherError

URL = "nats://127.0.0.1:4222"


@pytest.fixture
def publishers(tmp_path: Path) -> PublisherList:
    return PublisherList(tmp_path / "publishers")


def test_who_was_added_is_listed_with_a_password_of_her_own(publishers: PublisherList) -> None:
    added = [publishers.add(name, URL) for name in ("bob", "alice")]
    assert publishers.names() == ["alice", "bob"]
    assert publishers.read("bob") == added[0]
    assert publishers.passwords() == {"alice": added[1].password, "bob": added[0].password}
    assert added[0].password != added[1].password
    assert len(added[0].password) == 64


def test_credentials_are_read_by_their_owner_only(publishers: PublisherList) -> None:
    publishers.add("alice", URL)
    assert publishers.path("alice").stat().st_mode & 0o777 == 0o600
    assert publishers.folder.stat().st_mode & 0o777 == 0o700


def test_a_password_is_drawn_anew_after_a_remove(publishers: PublisherList) -> None:
    first = publishers.add("alice", URL)
    publishers.remove("alice")
    assert publishers.names() == []
    assert publishers.add("alice", URL).password != first.password


@pytest.mark.parametrize("name", ["http", "", "Alice", "a.b", "a b", "*", ">", "é", "a" * 65, "../credentials/admin"])
def test_a_name_that_can_not_stand_in_a_subject_is_refused(publishers: PublisherList, name: str) -> None:
    with pytest.raises(BadNameError, match="the ingress"):
        publishers.add(name, URL)
    with pytest.raises(UnknownPublisherError):
        publishers.remove(name)


def test_a_second_one_of_the_same_name_is_refused_and_the_first_keeps_its_password(publishers: PublisherList) -> None:
    first = publishers.add("alice", URL)
    with pytest.raises(DocQAError, match="exists already"):
        publishers.add("alice", URL)
    assert publishers.read("alice") == first


def test_no_publisher_has_the_user_of_a_role(publishers: PublisherList) -> None:
    users = {publishers.add(name, URL).user for name in ("admin", "ingress", "worker")}
    assert users.isdisjoint({"admin", "ingress", "worker"})


def test_the_address_of_the_bus_is_kept_up_to_date(publishers: PublisherList) -> None:
    added = publishers.add("alice", URL)
    publishers.record_url("nats://127.0.0.1:4333")
    found = publishers.read("alice")
    assert (found.url, found.password) == ("nats://127.0.0.1:4333", added.password)
    assert publishers.path("alice").stat().st_mode & 0o777 == 0o600


def test_a_file_that_was_changed_by_hand_is_named(publishers: PublisherList) -> None:
    publishers.add("alice", URL)
    publishers.path("alice").write_text("{")
    with pytest.raises(DocQAError, match=r"alice\.json was changed and cannot be read"):
        publishers.passwords()


def test_what_else_lies_in_the_folder_is_nobody(publishers: PublisherList) -> None:
    publishers.add("alice", URL)
    for other in ("http.json", "Notes.json", ".alice.json.77", "alice.json.bak"):
        (publishers.folder / other).write_text("{}")
    assert publishers.names() == ["alice"]


async def test_one_at_a_time_holds_the_list_and_the_next_one_waits(publishers: PublisherList) -> None:
    order = []

    async def hold(name: str) -> None:
        async with publishers.locked():
            order.append(f"{name} in")
            await asyncio.sleep(0)
            order.append(f"{name} out")

    await asyncio.gather(hold("first"), hold("second"))
    assert order == ["first in", "first out", "second in", "second out"]


async def test_who_waits_too_long_is_told_for_whom(publishers: PublisherList, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher_list, "_LOCKED_WITHIN_S", 0.05)
    async with publishers.locked():
        with pytest.raises(AlreadyRunningError, match=f"Process {os.getpid()} has locked the list"):
            await publishers.locked().__aenter__()
