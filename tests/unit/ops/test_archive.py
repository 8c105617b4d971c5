"""The file of a backup: a plain tar, whole or refused."""

import tarfile
from pathlib import Path

import msgspec
import pytest

from contract.bus.stream_info import StreamState
from ops.backup import archive
from ops.backup.archive import DamagedError, Manifest, Stream, Writer
from ops.backup.stream_snapshots import Taken

SNAPSHOT = b"snapshot of jobs " * 1000
TOKENS = b'{"tokens": []}'


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    path = tmp_path / "backup.tar"
    with path.open("wb+") as file:
        writer = Writer(file)
        with writer.member("streams/01-DOCQA_JOBS") as pieces:
            for start in range(0, len(SNAPSHOT), 999):
                pieces.write(SNAPSHOT[start : start + 999])
        stream = Stream(pieces.member, Taken({"name": "DOCQA_JOBS"}, StreamState(3, 1, 3)))
        tokens = writer.add("config/tokens.json", TOKENS)
        writer.finish(
            Manifest(
                created_s=1.5,
                docqa_version="1",
                nats_version="2",
                settings={},
                streams=[stream],
                files={"tokens.json": tokens},
            )
        )
    return path


def test_any_tar_reads_it(backup: Path) -> None:
    with tarfile.open(backup) as tar:
        names = tar.getnames()
        assert names == ["streams/01-DOCQA_JOBS", "config/tokens.json", "manifest.json", "manifest.sha256"]
        found = tar.extractfile("streams/01-DOCQA_JOBS")
        assert found
        assert found.read() == SNAPSHOT
        assert {member.mode for member in tar.getmembers()} == {0o600}


def test_its_manifest_says_what_is_in_it_and_where(backup: Path) -> None:
    manifest = archive.read_manifest(backup)
    [stream] = manifest.streams
    assert stream.name == "DOCQA_JOBS"
    assert not manifest.is_verified
    assert b"".join(archive.pieces_of(backup, stream.member)) == SNAPSHOT
    assert b"".join(archive.pieces_of(backup, manifest.files["tokens.json"])) == TOKENS


def test_a_changed_byte_is_found_wherever_it_is(backup: Path) -> None:
    whole, found = backup.read_bytes(), 0
    [stream] = archive.read_manifest(backup).streams
    for place in range(stream.member.offset, stream.member.offset + stream.member.size_bytes, 4001):
        backup.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(DamagedError, match="is damaged"):
            list(archive.pieces_of(backup, stream.member))
        found += 1
    assert found == 5
    manifest = whole.index(b'"created_s"')
    backup.write_bytes(whole[:manifest] + whole[manifest:].replace(b"1.5", b"1.6", 1))
    with pytest.raises(DamagedError, match="manifest"):
        archive.read_manifest(backup)


@pytest.mark.parametrize("kept", [0, 1, 511, 512, 5_000, 18_000, 19_000])
def test_a_file_that_was_cut_off_is_no_backup(backup: Path, kept: int) -> None:
    backup.write_bytes(backup.read_bytes()[:kept])
    with pytest.raises(DamagedError, match="not a complete backup"):
        archive.read_manifest(backup)


def test_a_newer_versions_backup_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "newer.tar"
    manifest = Manifest(created_s=0, docqa_version="9", nats_version="9", settings={}, streams=[], files={})
    with path.open("wb+") as file:
        Writer(file).finish(msgspec.structs.replace(manifest, v=archive.VERSION + 1))
    with pytest.raises(DamagedError, match="newer version"):
        archive.read_manifest(path)
