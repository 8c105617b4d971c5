"""Who may read and write which space, as the file of grants says it at this moment."""

from pathlib import Path

import pytest

from contract.errors import LibraryRefusedError
from contract.grants_file import Grant, GrantsFile, encode
from contract.topology import LibraryAddress
from library.access import Access, Rights

ANNA = LibraryAddress("search", "http", "anna")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "grants.json"


def grant(path: Path, *grants: tuple[str, str], spaces: tuple[str, ...] = ("contracts",)) -> None:
    given = [
        Grant(publisher="http", client="anna", space=space, access="write" if access == "write" else "read")
        for space, access in grants
    ]
    path.write_bytes(encode(GrantsFile(spaces=spaces, grants=tuple(given))))


def rights_of(path: Path, address: LibraryAddress = ANNA, *, has_tokens: bool = True) -> Rights:
    return Access(path, has_tokens=has_tokens).rights(address)


def test_without_a_grant_a_client_has_its_own_space_and_no_other(path: Path) -> None:
    rights = rights_of(path)
    assert rights.spaces == ["http.anna"]
    assert rights.can_write("http.anna")
    assert not rights.can_read("http.bob", "x")
    assert not rights.can_read("root", "x")


def test_reading_is_not_writing(path: Path) -> None:
    grant(path, ("contracts", "read"))
    rights = rights_of(path)
    assert rights.can_read("contracts", "x")
    assert not rights.can_write("contracts")
    grant(path, ("contracts", "write"))
    assert rights_of(path).can_write("contracts")


def test_a_grant_is_one_publishers_clients(path: Path) -> None:
    grant(path, ("contracts", "read"))
    assert rights_of(path, LibraryAddress("search", "alice", "anna")).spaces == ["alice.anna"]


def test_a_change_of_the_file_counts_at_once_and_a_broken_file_grants_nothing(path: Path) -> None:
    access = Access(path, has_tokens=True)
    grant(path, ("contracts", "read"))
    assert access.rights(ANNA).can_read("contracts", "x")
    path.write_bytes(b"{")
    assert not access.rights(ANNA).can_read("contracts", "x")
    grant(path, ("contracts", "read"))
    assert access.rights(ANNA).can_read("contracts", "x")
    path.unlink()
    assert not access.rights(ANNA).can_read("contracts", "x")


def test_a_grant_on_a_folder_holds_for_all_below_it_and_nothing_beside_it(path: Path) -> None:
    grant(path, ("root/clients/smith", "read"))
    rights = rights_of(path)
    assert rights.can_read("root", "clients/smith/lease.pdf")
    assert not rights.can_read("root", "clients/smithers/lease.pdf")
    assert not rights.can_read("root", "clients")
    assert rights.of_root("clients/smith/2024").folders == ("clients/smith/2024",)
    assert rights.of_root("clients").folders == ("clients/smith",)
    assert rights.of_root("").folders == ("clients/smith",)
    assert rights.of_root("taxes").is_empty


def test_where_tokens_are_in_use_nobody_reads_root_unasked(path: Path) -> None:
    grant(path)
    local = LibraryAddress("search", "http", "local")
    assert rights_of(path, local).spaces == ["http.local"]
    assert rights_of(path, local, has_tokens=False).spaces == ["contracts", "http.local", "root"]
    assert rights_of(path, ANNA, has_tokens=False).spaces == ["http.anna"]


@pytest.mark.parametrize("space", ["missing", "http.bob", "root", "contracts"])
def test_a_space_that_may_not_be_read_has_the_answer_of_one_that_is_not_there(path: Path, space: str) -> None:
    grant(path)
    with pytest.raises(LibraryRefusedError) as refused:
        rights_of(path).named(space)
    assert (refused.value.code, space in str(refused.value)) == ("space-gone", True)
