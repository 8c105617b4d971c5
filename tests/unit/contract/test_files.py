"""Files that are either whole or not there."""

import os
import stat
from pathlib import Path

import pytest

from contract.runtime.files import make_folder, write_atomically


def test_content_and_mode_are_as_asked_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    write_atomically(path, b"s3cret", mode=0o600)
    assert path.read_bytes() == b"s3cret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_missing_folders_are_made(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a" / "b" / "file", b"1")
    assert (tmp_path / "a" / "b" / "file").read_bytes() == b"1"


def test_missing_folders_above_are_their_owners_only(tmp_path: Path) -> None:
    """A command that comes before the first start does not open the data folder to everybody."""
    write_atomically(tmp_path / "data" / "models" / "hashes.json", b"{}")
    make_folder(tmp_path / "other" / "nats", 0o700)
    for folder in ("data", "other", "other/nats"):
        assert stat.S_IMODE((tmp_path / folder).stat().st_mode) == 0o700


def test_a_reader_of_the_old_file_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "ready.json"
    write_atomically(path, b"old")
    with path.open("rb") as reader:
        write_atomically(path, b"new and longer")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new and longer"


def test_a_symbolic_link_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"untouched")
    link.symlink_to(target)
    write_atomically(link, b"new")
    assert (target.read_bytes(), link.read_bytes(), link.is_symlink()) == (b"untouched", b"new", False)


def test_what_a_killed_writer_left_does_not_leak_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.with_name(f".{path.name}.{os.getpid()}").write_bytes(b"half")
    write_atomically(path, b"s3cret", mode=0o600)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"s3cret", 0o600)


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "file"
    (path / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        write_atomically(path, b"new")
    assert list(tmp_path.iterdir()) == [path]
