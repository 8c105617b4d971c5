"""The library's part of a backup: a snapshot of its store, its originals, what waits in its spool, grants, tombstones.

Saved by who may write to the library's folder or only read it, as under systemd; after the streams: what an import was
settled as meanwhile is in the store, and the import that comes again finds itself settled. Restored into the library's
folder while no library runs on it; the tombstones there stay, so that a document that was erased since is erased again.
"""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

from contract.bus import Bus
from contract.bus.library_client import ask
from contract.documents import GRANTS_FILE, LIBRARY_FOLDER, SPOOL_FOLDER
from contract.errors import AlreadyRunningError, DocQAError, LibraryRefusedError
from contract.library_messages import SnapshotReply, SnapshotRequest
from contract.runtime.files import make_folder, sync_folder, write_atomically
from contract.runtime.lock import FileLock
from contract.topology import HTTP_PUBLISHER
from ops.backup import archive
from ops.backup.archive import DamagedError, LibraryPart, Member, Writer

STORE: Final = "store.db"
ORIGINALS: Final = "originals"
TOMBSTONES: Final = "tombstones.jsonl"
_PREFIX: Final = "library/"
_ASKER: Final = "backup"
_SNAPSHOT_WITHIN_S: Final = 600.0
_PIECE_BYTES: Final = 1 << 20
_LOCK: Final = "lock"


def folder_of(data_dir: Path) -> Path:
    return (data_dir / LIBRARY_FOLDER).absolute()


async def save(bus: Bus, writer: Writer, data_dir: Path, work: Path) -> LibraryPart | None:
    """Write all of it; None where no library ever ran on this folder. `work` is used and removed. Raises DocQAError."""
    folder = folder_of(data_dir)
    if not (folder / STORE).is_file():
        return None
    members = {name: _saved(writer, name, path) for name, path in _small_files(folder)}
    async with _snapshot(bus, folder, work) as snapshot:
        documents, originals = _described(snapshot)
        members[STORE] = _saved(writer, STORE, snapshot)
    for sha256 in originals:
        name = f"{ORIGINALS}/{sha256[:2]}/{sha256}"
        # One that is gone since the snapshot belongs to a document that was erased.
        with contextlib.suppress(FileNotFoundError):
            members[name] = _saved(writer, name, folder / name)
    return LibraryPart(members=members, documents=documents)


def check(path: Path, part: LibraryPart, work: Path) -> None:
    """Read all of it, and open the store that it holds; raises DamagedError. `work` is used and removed."""
    make_folder(work, 0o700)
    copy = work / STORE
    try:
        for name, member in part.members.items():
            if name == STORE:
                _write(copy, archive.pieces_of(path, member))
            else:
                for _ in archive.pieces_of(path, member):
                    pass
        documents, _ = _described(copy)
    except sqlite3.Error as error:
        raise DamagedError(f"{path}: the store of the library can't be opened: {error}.") from None
    finally:
        copy.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            work.rmdir()
    if documents != part.documents:
        raise DamagedError(f"{path}: {documents} documents, the manifest says {part.documents}.")


def check_free(data_dir: Path, *, replace: bool) -> None:
    """Raises DocQAError where a library runs on the folder, or where it holds documents that may not be replaced."""
    folder = folder_of(data_dir)
    if not (folder / STORE).is_file():
        return
    with locked(folder):
        documents = _count(folder / STORE)
    if documents and not replace:
        raise DocQAError(
            f"There are {documents} documents already: --replace backs them up, then restores this backup in their "
            "place."
        )


def restore(path: Path, part: LibraryPart, data_dir: Path) -> None:
    """Into the folder, the store last; safe to repeat after it was broken off. Raises DamagedError, OSError."""
    folder = folder_of(data_dir)
    make_folder(folder, 0o700)
    for name, member in part.members.items():
        target = folder / name
        if name == STORE or not _is_known(name):
            continue
        if name == TOMBSTONES:
            _add_lines(target, b"".join(archive.pieces_of(path, member)))
        elif name == GRANTS_FILE or not target.exists():
            _write(target, archive.pieces_of(path, member))
    beside = folder / f"{STORE}.restored"
    _write(beside, archive.pieces_of(path, part.members[STORE]))
    for log in (f"{STORE}-wal", f"{STORE}-shm"):
        # The former store's: its last transactions go with it.
        (folder / log).unlink(missing_ok=True)
    beside.replace(folder / STORE)
    sync_folder(folder)


def _small_files(folder: Path) -> Iterator[tuple[str, Path]]:
    for name in (GRANTS_FILE, TOMBSTONES):
        if (folder / name).is_file():
            yield name, folder / name
    for file in sorted((folder / SPOOL_FOLDER).glob("*-*-*-*-*.[0-9]*")):
        yield f"{SPOOL_FOLDER}/{file.name}", file


@contextlib.asynccontextmanager
async def _snapshot(bus: Bus, folder: Path, work: Path) -> AsyncIterator[Path]:
    """A file with the whole store for the time of a block; by the library, or made here where none runs."""
    try:
        with locked(folder, may_write=False):
            copy = _copy(folder / STORE, work)
    except AlreadyRunningError:
        pass  # it is asked
    else:
        try:
            yield copy
        finally:
            shutil.rmtree(work)
        return
    reply = await _ask(bus, SnapshotRequest())
    try:
        yield folder / reply.file
    finally:
        # By the library too: who only reads the folder can remove nothing there.
        with contextlib.suppress(DocQAError):  # one that was restarted meanwhile has removed it
            await _ask(bus, SnapshotRequest(is_done=True))


async def _ask(bus: Bus, request: SnapshotRequest) -> SnapshotReply:
    try:
        return await ask(bus, "snapshot", HTTP_PUBLISHER, _ASKER, request, SnapshotReply, _SNAPSHOT_WITHIN_S)
    except LibraryRefusedError as error:
        raise DocQAError(f"The library gave no snapshot of its store: {error}") from None


@contextlib.contextmanager
def locked(folder: Path, *, may_write: bool = True) -> Iterator[None]:
    """Keep a library from starting on the folder; raises AlreadyRunningError where one runs."""
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(may_write=may_write)
    except AlreadyRunningError:
        raise AlreadyRunningError(f"Process {lock.holder()} is the library on {folder}: stop it first.") from None
    try:
        yield
    finally:
        lock.release()


def _copy(store: Path, work: Path) -> Path:
    """The store at rest as one file: a killed library leaves its last transactions in a log beside it."""
    make_folder(work, 0o700)
    target = work / STORE
    shutil.copyfile(store, target)
    log = store.with_name(f"{STORE}-wal")
    if log.exists():
        shutil.copyfile(log, work / log.name)
    with contextlib.closing(sqlite3.connect(target)) as db:
        db.execute("PRAGMA journal_mode = DELETE")
    return target


def _described(store: Path) -> tuple[int, list[str]]:
    """How many documents, and the SHA-256 of the originals that they have; raises sqlite3.Error for a damaged one."""
    with contextlib.closing(sqlite3.connect(f"file:{store}?mode=ro&immutable=1", uri=True)) as db:
        (count,) = db.execute("SELECT count(*) FROM documents").fetchone()
        rows = db.execute("SELECT DISTINCT original FROM documents WHERE original <> '' ORDER BY original")
        return int(count), [original for (original,) in rows]


def _count(store: Path) -> int:
    """0 for a file that is no store yet."""
    with contextlib.closing(sqlite3.connect(store)) as db:
        if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'documents'").fetchone():
            return 0
        (count,) = db.execute("SELECT count(*) FROM documents").fetchone()
        return int(count)


def _saved(writer: Writer, name: str, file: Path) -> Member:
    with file.open("rb") as source, writer.member(_PREFIX + name) as pieces:
        while piece := source.read(_PIECE_BYTES):
            pieces.write(piece)
    return pieces.member


def _is_known(name: str) -> bool:
    """Whether it is one of ours: a backup's names are not trusted with paths."""
    parts = name.split("/")
    return not any(part in ("", ".", "..") for part in parts) and (
        name in (GRANTS_FILE, TOMBSTONES) or parts[0] in (SPOOL_FOLDER, ORIGINALS)
    )


def _add_lines(target: Path, content: bytes) -> None:
    """The tombstones of the backup with those that are there: none is ever taken back."""
    there = target.read_bytes().splitlines() if target.exists() else []
    lines = dict.fromkeys(line for line in (*content.splitlines(), *there) if line)
    write_atomically(target, b"".join(line + b"\n" for line in lines), mode=0o600)


def _write(target: Path, pieces: Iterator[bytes]) -> None:
    make_folder(target.parent, 0o700)
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        beside.chmod(0o600)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
