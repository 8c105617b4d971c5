"""`docqa spaces`, on a data folder."""

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from contract.documents import GRANTS_FILE, LIBRARY_FOLDER
from contract.errors import AlreadyRunningError, DocQAError
from contract.grants_file import decode
from contract.runtime.lock import FileLock
from contract.topology import LibraryAddress
from library.access import Access
from ops.commands.spaces import command

ANNA = LibraryAddress("search", "http", "anna")


def run(data_dir: Path, *arguments: str) -> str:
    """What the command prints on stdout; raises what it raises."""
    done = CliRunner().invoke(command, [*arguments, "--data-dir", str(data_dir)], catch_exceptions=True)
    if done.exception:
        raise done.exception
    return done.stdout


def grants_file(data_dir: Path) -> Path:
    return data_dir / LIBRARY_FOLDER / GRANTS_FILE


def test_what_is_granted_the_library_heeds_at_once(tmp_path: Path) -> None:
    access = Access(grants_file(tmp_path), has_tokens=True)
    run(tmp_path, "create", "contracts")
    assert access.rights(ANNA).spaces == ["http.anna"]
    run(tmp_path, "grant", "contracts", "anna", "--access", "write")
    assert access.rights(ANNA).can_write("contracts")
    run(tmp_path, "grant", "contracts", "anna")
    assert access.rights(ANNA).can_read("contracts", "x")
    assert not access.rights(ANNA).can_write("contracts")
    run(tmp_path, "revoke", "contracts", "anna")
    assert access.rights(ANNA).spaces == ["http.anna"]


def test_a_folder_of_root_is_granted_without_being_created(tmp_path: Path) -> None:
    run(tmp_path, "grant", "root/clients/smith/", "anna")
    rights = Access(grants_file(tmp_path), has_tokens=True).rights(ANNA)
    assert rights.can_read("root", "clients/smith/lease.pdf")
    assert not rights.can_read("root", "clients/jones/lease.pdf")


def test_a_publishers_client_has_nothing_of_another_ones(tmp_path: Path) -> None:
    run(tmp_path, "create", "contracts")
    run(tmp_path, "grant", "contracts", "anna", "--publisher", "billing")
    access = Access(grants_file(tmp_path), has_tokens=True)
    assert access.rights(LibraryAddress("search", "billing", "anna")).can_read("contracts", "x")
    assert access.rights(ANNA).spaces == ["http.anna"]


def test_the_list_names_spaces_and_grants(tmp_path: Path) -> None:
    assert "no shared spaces" in run(tmp_path, "list")
    run(tmp_path, "create", "contracts")
    run(tmp_path, "create", "empty")
    run(tmp_path, "grant", "contracts", "anna")
    assert run(tmp_path, "list").splitlines() == ["contracts: http/anna (read)", "empty: no grants"]
    listed = json.loads(run(tmp_path, "list", "--json"))["spaces"]
    given = {"publisher": "http", "client": "anna", "space": "contracts", "access": "read"}
    assert listed == [{"space": "contracts", "grants": [given]}, {"space": "empty", "grants": []}]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["create", "root"], "is not root"),
        (["create", "http.anna"], "characters"),
        (["create", "contracts"], "is there already"),
        (["grant", "missing", "anna"], "docqa spaces create missing"),
        (["grant", "root", "anna", "--access", "write"], "reading only"),
        (["grant", "root/../etc", "anna"], "root/<folder>"),
        (["grant", "contracts", "Anna"], "client"),
        (["revoke", "contracts", "anna"], "docqa spaces list"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_way_out(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    run(tmp_path, "create", "contracts")
    before = grants_file(tmp_path).read_bytes()
    with pytest.raises(DocQAError) as refused:
        run(tmp_path, *arguments)
    assert sentence in str(refused.value)
    assert grants_file(tmp_path).read_bytes() == before


def test_two_writers_do_not_lose_each_others_change(tmp_path: Path) -> None:
    run(tmp_path, "create", "contracts")
    lock = FileLock(grants_file(tmp_path).with_name(f"{GRANTS_FILE}.lock"))
    lock.acquire()
    with pytest.raises(AlreadyRunningError):
        run(tmp_path, "create", "other")
    lock.release()
    run(tmp_path, "create", "other")
    assert decode(grants_file(tmp_path).read_bytes()).spaces == ("contracts", "other")
    assert stat.S_IMODE(grants_file(tmp_path).stat().st_mode) == 0o600
