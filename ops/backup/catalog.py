"""The folder of backups: lists them, selects those to prune, and gives only complete files a backup's name.

A backup has a temporary name until it is complete and on the disk. The next process that locks the folder removes what
a killed one left.
"""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from contract.errors import AlreadyRunningError, DocQAError
from contract.runtime.files import make_folder, sync_folder
from contract.runtime.lock import FileLock
from ops.backup import archive
from ops.backup.archive import Manifest
from ops.backup.retention import Retention

_NAME: Final = re.compile(r"docqa-(\d{8}T\d{6}Z)(-\d+)?\.tar")
_TIME: Final = "%Y%m%dT%H%M%SZ"
_UNFINISHED: Final = ".unfinished-"


class Backup(msgspec.Struct, frozen=True):
    """A file that has a backup's name. `manifest` is None if it is damaged; `error` is the reason."""

    path: Path
    size_bytes: int
    created_s: float
    manifest: Manifest | None
    error: str = ""


class BackupFolder:
    """Methods that change the folder must be called within `locked`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder against other commands for the time of a block; raises AlreadyRunningError."""
        make_folder(self.folder, 0o700)
        lock = FileLock(self.folder / ".lock")
        try:
            lock.acquire()
        except AlreadyRunningError:
            raise AlreadyRunningError(
                f"Process {lock.holder() or 'unknown'} is using the backups in {self.folder}: wait for it."
            ) from None
        try:
            self._sweep()
            yield
        finally:
            lock.release()

    def all(self) -> list[Backup]:
        """Newest first."""
        found = (path for path in self.folder.glob("docqa-*.tar") if _NAME.fullmatch(path.name))
        return sorted((_read(path) for path in found), key=lambda backup: backup.created_s, reverse=True)

    def find(self, which: str) -> Path:
        """A backup by its path, its name here, or `latest`; raises DocQAError."""
        if which == "latest":
            if whole := [backup.path for backup in self.all() if backup.manifest]:
                return whole[0]
            raise DocQAError(f"There is no backup in {self.folder}.")
        for path in (Path(which), self.folder / which):
            if path.is_file():
                return path.absolute()
        raise DocQAError(f"There is no backup {which}: `docqa backup list` shows all in {self.folder}.")

    @contextlib.contextmanager
    def writing(self) -> Iterator[tuple[BinaryIO, Path]]:
        """A new file, readable by its owner only, and its path; removed at the end unless `keep` has renamed it."""
        path = self.folder / f"{_UNFINISHED}{os.getpid()}.tar"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb+") as file:
                yield file, path
        finally:
            path.unlink(missing_ok=True)

    def keep(self, file: BinaryIO, path: Path, created_s: float) -> Path:
        """Sync a complete file to the disk, then give it a backup's name."""
        file.flush()
        os.fsync(file.fileno())
        stem = f"docqa-{datetime.fromtimestamp(created_s, UTC).strftime(_TIME)}"
        names = (f"{stem}{number}.tar" for number in ("", *(f"-{count}" for count in range(2, 1000))))
        kept = next(self.folder / name for name in names if not (self.folder / name).exists())
        path.rename(kept)
        sync_folder(self.folder)
        return kept

    def work_folder(self, name: str) -> Path:
        """A path for temporary files, which are also removed after a kill."""
        return self.folder / f"{_UNFINISHED}{os.getpid()}-{name}"

    def surplus(self, retention: Retention) -> list[Backup]:
        """The backups to prune. A damaged file neither counts as a backup nor is removed: someone should inspect it."""
        whole = [backup for backup in self.all() if backup.manifest]
        kept = retention.kept(backup.created_s for backup in whole)
        return [backup for backup in whole if backup.created_s not in kept]

    def _sweep(self) -> None:
        for left in self.folder.glob(f"{_UNFINISHED}*"):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def _read(path: Path) -> Backup:
    size_bytes, named = path.stat().st_size, _NAME.fullmatch(path.name)
    try:
        manifest = archive.read_manifest(path)
        return Backup(path, size_bytes, manifest.created_s, manifest)
    except (DocQAError, OSError) as error:
        when = datetime.strptime(named[1], _TIME).replace(tzinfo=UTC).timestamp() if named else 0.0
        return Backup(path, size_bytes, when, None, str(error))
