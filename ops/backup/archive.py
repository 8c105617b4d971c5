"""The file of a backup: a tar written in one pass, with a manifest at its end.

    streams/01-DOCQA_JOBS ...     snapshots, as nats-server makes them
    library/...                   a snapshot of the library's store, originals, spool, grants, tombstones
    config/...                    the project's own files
    manifest.json                 sizes, SHA-256, versions and counts of the content
    manifest.sha256               of the manifest, in the format of sha256sum

Knows bytes and hashes; `stream_snapshots` knows how a stream becomes bytes.
"""

import contextlib
import hashlib
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from contract.bus.stream_info import StreamState
from contract.errors import DocQAError
from ops.backup.stream_snapshots import Taken

VERSION: Final = 2
"""2: with the library."""
MANIFEST: Final = "manifest.json"
SUM: Final = "manifest.sha256"
_PIECE_BYTES: Final = 512 * 1024
"""Below any max_payload that the settings allow, because a restore sends pieces as messages."""
_BLOCK_BYTES: Final = 512
_MOST_MANIFEST_BYTES: Final = 2**26


class DamagedError(DocQAError):
    """A backup is damaged."""


class Member(msgspec.Struct, frozen=True):
    """A file inside the tar."""

    name: str
    size_bytes: int
    sha256: str
    offset: int


class Stream(msgspec.Struct, frozen=True):
    """A stream in the backup. `restored` is its state after a trial restore; None if there was none."""

    member: Member
    taken: Taken
    restored: StreamState | None = None

    @property
    def name(self) -> str:
        return str(self.taken.config["name"])


class LibraryPart(msgspec.Struct, frozen=True):
    """The library in the backup: its files by their paths in its folder, and how many documents its store has."""

    members: dict[str, Member]
    documents: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a backup. Times are Unix seconds."""

    v: int = VERSION
    created_s: float
    docqa_version: str
    nats_version: str
    settings: dict[str, str]
    """The settings of the command that made the backup; secrets have their names only, with an empty value."""
    streams: list[Stream]
    files: dict[str, Member]
    """Files of the data folder, by kind."""
    library: LibraryPart | None = None
    """None: no library ever ran there, or a version before it made the backup."""

    @property
    def is_verified(self) -> bool:
        return all(stream.restored for stream in self.streams)


class Writer:
    """Writes members one after another into a seekable file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    @contextlib.contextmanager
    def member(self, name: str) -> Iterator["Pieces"]:
        """A member whose size is known only at the end of the block, when its header is overwritten."""
        head = self._file.tell()
        self._file.write(bytes(_BLOCK_BYTES))
        pieces = Pieces(name, self._file)
        yield pieces
        self._file.write(bytes(-pieces.size_bytes % _BLOCK_BYTES))
        end = self._file.tell()
        self._file.seek(head)
        self._file.write(_head(name, pieces.size_bytes))
        self._file.seek(end)

    def add(self, name: str, content: bytes) -> Member:
        """A member whose content is known."""
        with self.member(name) as pieces:
            pieces.write(content)
        return pieces.member

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest, its checksum, and the end of the tar."""
        member = self.add(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
        self.add(SUM, f"{member.sha256}  {MANIFEST}\n".encode())
        self._file.write(bytes(2 * _BLOCK_BYTES))


class Pieces:
    """The content of a member that is being written."""

    def __init__(self, name: str, file: BinaryIO) -> None:
        self._name = name
        self._file = file
        self._hash = hashlib.sha256()
        self._offset = file.tell()
        self.size_bytes = 0

    def write(self, piece: bytes) -> None:
        self._file.write(piece)
        self._hash.update(piece)
        self.size_bytes += len(piece)

    @property
    def member(self) -> Member:
        return Member(self._name, self.size_bytes, self._hash.hexdigest(), self._offset)


def read_manifest(path: Path) -> Manifest:
    """Raises DamagedError for an incomplete backup or one of a newer version; OSError."""
    try:
        with tarfile.open(path, "r:") as tar:
            content, line = (_small(tar, name) for name in (MANIFEST, SUM))
        if hashlib.sha256(content).hexdigest() != line.decode().split()[0]:
            raise DamagedError(f"{path} is damaged: the checksum of its manifest does not match.")
        manifest = msgspec.json.decode(content, type=Manifest)
    except (tarfile.TarError, KeyError, IndexError, UnicodeDecodeError, msgspec.DecodeError, EOFError):
        raise DamagedError(f"{path} is not a complete backup made by `docqa backup`.") from None
    if manifest.v > VERSION:
        raise DamagedError(f"{path} was written by a newer version of docqa: restore it with that version.")
    return manifest


def pieces_of(path: Path, member: Member) -> Iterator[bytes]:
    """A member's content in pieces; raises DamagedError at its end if its checksum does not match."""
    seen, left = hashlib.sha256(), member.size_bytes
    with path.open("rb") as file:
        file.seek(member.offset)
        while left and (piece := file.read(min(left, _PIECE_BYTES))):
            seen.update(piece)
            left -= len(piece)
            yield piece
    if left or seen.hexdigest() != member.sha256:
        raise DamagedError(f"{path} is damaged: the checksum of {member.name} does not match.")


def _head(name: str, size_bytes: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size_bytes, 0o600, int(time.time())
    return info.tobuf(tarfile.GNU_FORMAT)


def _small(tar: tarfile.TarFile, name: str) -> bytes:
    found = tar.getmember(name)
    file = tar.extractfile(found)
    if file is None or found.size > _MOST_MANIFEST_BYTES:
        raise KeyError(name)
    return file.read()
