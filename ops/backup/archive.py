"""A backup's file: a tar that is written in one pass, with a manifest at its end.

    streams/01-DOCQA_JOBS ...     snapshots, as nats-server makes them
    config/...                    files of ours
    manifest.json                 what is in it: sizes, SHA-256, versions, counts
    manifest.sha256               of the manifest, as sha256sum writes it

Knows bytes and hashes; how a stream becomes bytes, `snapshots` knows.
"""

import contextlib
import hashlib
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from contract.errors import DocQAError
from ops.backup.stream_snapshots import State, Taken

VERSION: Final = 1
MANIFEST: Final = "manifest.json"
SUM: Final = "manifest.sha256"
_PIECE_BYTES: Final = 512 * 1024
"""Below every max_payload that the settings can make: a restore sends pieces as messages."""
_BLOCK_BYTES: Final = 512
_MOST_MANIFEST_BYTES: Final = 2**26


class DamagedError(DocQAError):
    """A backup is not as it was written."""


class Member(msgspec.Struct, frozen=True):
    """A part of the file."""

    name: str
    size_bytes: int
    sha256: str
    offset: int


class Stream(msgspec.Struct, frozen=True):
    """A stream in the backup. `restored` is how it stood after a restore on trial; without one nobody knows."""

    member: Member
    taken: Taken
    restored: State | None = None

    @property
    def name(self) -> str:
        return str(self.taken.config["name"])


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds. Times are Unix seconds."""

    v: int = VERSION
    created_s: float
    docqa_version: str
    nats_version: str
    settings: dict[str, str]
    """What was set in the environment of the command; of secrets nothing but their names, with no value."""
    streams: list[Stream]
    files: dict[str, Member]
    """Files of the data folder, by what they are."""

    @property
    def is_verified(self) -> bool:
        return all(stream.restored for stream in self.streams)


class Writer:
    """Writes members one after the other into a file that can be written at any place."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    @contextlib.contextmanager
    def member(self, name: str) -> Iterator["Pieces"]:
        """A member whose size is known at the end of the block only: then its head is written over."""
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
        """A member whose content is at hand."""
        with self.member(name) as pieces:
            pieces.write(content)
        return pieces.member

    def finish(self, manifest: Manifest) -> None:
        """The manifest, its sum, and the end of the tar."""
        member = self.add(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
        self.add(SUM, f"{member.sha256}  {MANIFEST}\n".encode())
        self._file.write(bytes(2 * _BLOCK_BYTES))


class Pieces:
    """A member that is being written."""

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
    """Raises DamagedError for what is no whole backup, or one of a newer version; OSError."""
    try:
        with tarfile.open(path, "r:") as tar:
            content, line = (_small(tar, name) for name in (MANIFEST, SUM))
        if hashlib.sha256(content).hexdigest() != line.decode().split()[0]:
            raise DamagedError(f"{path} is damaged: its manifest is not what was written.")
        manifest = msgspec.json.decode(content, type=Manifest)
    except (tarfile.TarError, KeyError, IndexError, UnicodeDecodeError, msgspec.DecodeError, EOFError):
        raise DamagedError(f"{path} is no whole backup of `docqa backup`.") from None
    if manifest.v > VERSION:
        raise DamagedError(f"{path} was written by a newer version of docqa: restore it with that one.")
    return manifest


def pieces_of(path: Path, member: Member) -> Iterator[bytes]:
    """A member's content; raises DamagedError at its end when it is not what was written."""
    seen, left = hashlib.sha256(), member.size_bytes
    with path.open("rb") as file:
        file.seek(member.offset)
        while left and (piece := file.read(min(left, _PIECE_BYTES))):
            seen.update(piece)
            left -= len(piece)
            yield piece
    if left or seen.hexdigest() != member.sha256:
        raise DamagedError(f"{path} is damaged: {member.name} is not what was written.")


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
