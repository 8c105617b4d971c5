"""What is seen below DOCQA_ROOT, what changed since, and what is never taken for a removal."""

import os
from pathlib import Path

import pytest

from library.root.beneath import Seen, open_file, walk
from library.root.changes import are_too_many, changes_between
from library.root.watch import Watch
from library.store.records import EmbedderNames, Stat
from library.store.sqlite import SqliteStore
from tests.support.library_side import begun, prepared, stored


def stat(inode: int, size: int = 1, mtime: int = 1, device: int = 1) -> Stat:
    return Stat(device, inode, size, mtime)


def files(*paths: str) -> list[Seen]:
    return [Seen(path, stat(number)) for number, path in enumerate(paths)]


def test_regular_files_are_seen_and_all_else_is_left_alone_and_named(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "clients" / "smith").mkdir(parents=True)
    (root / "clients" / "smith" / "lease.pdf").write_bytes(b"x")
    (root / ".hidden").write_bytes(b"x")
    (tmp_path / "secret.txt").write_bytes(b"x")
    (root / "out.txt").symlink_to(tmp_path / "secret.txt")
    (root / "folder").symlink_to(tmp_path)
    os.mkfifo(root / "pipe")
    (root / "new\nline.txt").write_bytes(b"x")
    (root / os.fsdecode(b"\xff.txt")).write_bytes(b"x")
    found = {one.path: one for one in walk(root)}
    assert [path for path, one in found.items() if one.stat] == ["clients/smith/lease.pdf"]
    assert "links are not followed" in found["out.txt"].odd
    assert found["folder"].odd
    assert found["pipe"].odd == "a pipe"
    assert "control characters" in found["new\nline.txt"].odd
    assert "UTF-8" in found[os.fsdecode(b"\xff.txt")].odd
    assert not any("secret" in path for path in found)


@pytest.mark.parametrize("path", ["out.txt", "folder/secret.txt", "../secret.txt", "pipe", "a/../../secret.txt", ""])
def test_no_path_leads_out_and_no_pipe_is_waited_for(tmp_path: Path, path: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret.txt").write_bytes(b"x")
    (root / "out.txt").symlink_to(tmp_path / "secret.txt")
    (root / "folder").symlink_to(tmp_path)
    os.mkfifo(root / "pipe")
    with pytest.raises(OSError):  # noqa: PT011  # whichever: it is not opened
        open_file(root, path)


def test_new_changed_moved_and_removed_files_are_told_apart() -> None:
    known = {"same": stat(1), "changed": stat(2), "from": stat(3), "gone": stat(4)}
    seen = [Seen("same", stat(1)), Seen("changed", stat(2, size=9)), Seen("to", stat(3)), Seen("new", stat(5))]
    changes = changes_between(known, seen)
    assert changes.new == {"new": stat(5)}
    assert changes.changed == {"changed": stat(2, size=9)}
    assert changes.moved == [("from", "to", stat(3))]
    assert changes.removed == ["gone"]


def test_another_device_number_changes_no_file() -> None:
    assert not changes_between({"a": stat(1)}, [Seen("a", stat(1, device=7))]).changed


def test_what_is_below_a_folder_that_can_not_be_read_is_not_gone() -> None:
    known = {"closed/a": stat(1), "closed/b/c": stat(2), "closed.txt": stat(3)}
    changes = changes_between(known, [Seen("closed", None, "a folder that can't be read", is_folder=True)])
    assert changes.removed == ["closed.txt"]


@pytest.mark.parametrize(
    ("removed", "known", "held"), [(20, 20, False), (21, 21, True), (21, 210, False), (22, 210, True), (1, 1, False)]
)
def test_more_than_a_tenth_and_twenty_files_are_too_many(removed: int, known: int, held: bool) -> None:
    assert are_too_many(removed, known) == held


def test_a_watch_wakes_when_something_changes_and_when_it_is_woken(tmp_path: Path) -> None:
    watch = Watch()
    watch.add(tmp_path)
    assert not watch.wait(0)
    (tmp_path / "a").write_bytes(b"x")
    assert watch.wait(10)
    assert not watch.wait(0)
    watch.wake()
    assert watch.wait(10)
    watch.close()


def test_a_moved_file_is_found_under_its_new_path_and_nothing_is_read_again(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    document = stored(store, "The rent is 950 euros.", "smith/lease.txt", "root")
    child = begun(store, "An attachment.", "smith/lease.txt/a.txt", "root")
    store.commit(child.document, child.generation, prepared("An attachment.", child.name), "")
    store.root_put([("smith/lease.txt", document, stat(1))])
    version = store.statuses([document], EmbedderNames())[0].version
    store.root_move("smith/lease.txt", "jones/contract.txt", stat(1))
    (moved,) = store.statuses([document], EmbedderNames())
    assert (moved.name, moved.version, moved.state) == ("jones/contract.txt", version, "ready")
    assert store.root_known() == {"jones/contract.txt": stat(1)}
    store.check()
    store.close()


def test_what_waits_is_kept_over_a_restart_and_settles_only_as_it_was_read(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    store.root_put([("a", "d1", stat(1)), ("b", "d2", stat(2))])
    store.close()
    store = SqliteStore(tmp_path)
    assert store.root_next("a") == ("b", "d2", stat(2))
    assert store.root_next("b") == ("a", "d1", stat(1))
    store.root_settle("a", stat(1, size=9))
    assert store.root_counts() == (2, 2)
    store.root_settle("a", stat(1))
    assert store.root_next("b") == ("b", "d2", stat(2))
    store.root_put([("a", "other", stat(1, size=9))])
    assert store.root_next("b") == ("a", "d1", stat(1, size=9))
    store.close()
