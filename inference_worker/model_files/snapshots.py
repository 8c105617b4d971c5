"""Snapshots of model files: folders with the files and a manifest, of which the last few different ones are kept.

<root>/20261125T203000Z/manifest.json and the files
<root>/current.json                     the record of the files in use (`record`)
<root>/.unfinished-...                  being made; left by a killed process: removed by the next one
"""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from contract.errors import DocQAError
from contract.runtime.files import make_folder, sync_folder, write_atomically
from contract.runtime.lock import locked
from inference_worker.model_files import record
from inference_worker.model_files.file_copy import Method, place
from inference_worker.model_files.gguf_header import metadata
from inference_worker.model_files.record import ModelFile, hash_of, used_path

KEPT: Final = 5
_MANIFEST: Final = "manifest.json"
_UNFINISHED: Final = ".unfinished-"
_TIME: Final = "%Y%m%dT%H%M%SZ"
_SOURCES: Final = ("general.source.url", "general.url", "general.source.repo_url", "general.repo_url")

OnFile = Callable[[str, Path], None]


class Snapshot(msgspec.Struct, frozen=True):
    """A whole snapshot. `created_s` is Unix time."""

    name: str
    created_s: float
    files: list[ModelFile]
    ways: dict[str, Method]


class ModelSnapshots:
    """The folder of snapshots. Methods raise OSError, and DocQAError with a sentence."""

    def __init__(self, root: Path, on_file: OnFile = lambda what, path: None) -> None:
        self.root = root
        self._on_file = on_file

    def all(self) -> list[Snapshot]:
        """All snapshots, newest first; a folder without a manifest is none."""
        found = (self._read(path) for path in self.root.glob("[0-9]*Z*"))
        return sorted((snapshot for snapshot in found if snapshot), key=lambda one: one.created_s, reverse=True)

    def make(self, models: list[Path], source: str | None, *, is_copied: bool = False) -> tuple[Snapshot, bool]:
        """A snapshot of these files, and True; or the newest one, and False, when it holds the same."""
        with self._held():
            files = [self._described(path, source) for path in models]
            newest = next(iter(self.all()), None)
            is_new = newest is None or _content(newest.files) != _content(files)
            snapshot = self._keep(files, is_copied=is_copied) if newest is None or is_new else newest
            record.write(self.root, files)
            for old in self.all()[KEPT:]:
                shutil.rmtree(self.root / old.name)
        return snapshot, is_new

    def verify(self, which: str) -> list[str]:
        """A sentence for each file that is not as it was recorded."""
        snapshot = self.find(which)
        kept = [(self.root / snapshot.name / file.name, file) for file in snapshot.files]
        return [difference for path, file in kept if (difference := self._difference(path, file))]

    def verify_used(self) -> list[str]:
        """The same for the files in use."""
        found = []
        for path, files in record.by_path(self.root).items():
            differences = [self._difference(Path(path), file) for file in files]
            found += differences[-1:] if all(differences) else []
        return found

    def restore(self, which: str, folder: Path | None, *, is_copied: bool = False) -> list[Path]:
        """Put a snapshot's files back where they were, or into `folder`; nothing changes unless all are whole."""
        snapshot = self.find(which)
        if differences := self.verify(snapshot.name):
            raise DocQAError(f"Nothing was restored: {differences[0]}")
        with self._held():
            files = [(self.root / snapshot.name / file.name, _place_of(file, folder), file) for file in snapshot.files]
            staged = []
            for kept, target, _ in files:
                self._on_file("restoring", target)
                staged.append((_staged(kept, target, is_copied=is_copied), target))
            used = [msgspec.structs.replace(file, path=str(used_path(target))) for _, target, file in files]
            record.write(self.root, used, beside_former=True)
            for unfinished, target in staged:
                unfinished.replace(target)
                # A rename between two names of one file does nothing: both would stay.
                unfinished.unlink(missing_ok=True)
                sync_folder(target.parent)
            record.write(self.root, used)
        return [target for _, target in staged]

    def find(self, which: str) -> Snapshot:
        """A snapshot by its name, or `latest`; raises DocQAError."""
        for snapshot in self.all():
            if which in ("latest", snapshot.name):
                return snapshot
        raise DocQAError(f"There is no snapshot {which} in {self.root}: `docqa models list` shows those there are.")

    def _described(self, path: Path, source: str | None) -> ModelFile:
        self._on_file("reading", path)
        seen, known = path.stat(), metadata(path)
        named = source or next((str(known[key]) for key in _SOURCES if key in known), str(path.resolve()))
        return ModelFile(str(used_path(path)), seen.st_size, seen.st_mtime_ns, hash_of(path), named, known)

    def _keep(self, files: list[ModelFile], *, is_copied: bool) -> Snapshot:
        now = datetime.now(UTC)
        unfinished = self.root / f"{_UNFINISHED}{os.getpid()}"
        unfinished.mkdir()
        ways = {}
        for file in files:
            target = unfinished / file.name
            self._on_file("keeping", Path(file.path))
            ways[file.name] = place(Path(file.path), target, is_copied=is_copied)
            if ways[file.name] != "link" and hash_of(target) != file.sha256:
                raise DocQAError(f"{file.path} changed while it was being kept: try again.")
        name = self._free_name(now.strftime(_TIME))
        snapshot = Snapshot(name, now.timestamp(), files, ways)
        write_atomically(unfinished / _MANIFEST, msgspec.json.format(msgspec.json.encode(snapshot)))
        sync_folder(unfinished)
        unfinished.rename(self.root / name)
        sync_folder(self.root)
        return snapshot

    def _free_name(self, stem: str) -> str:
        names = (stem, *(f"{stem}-{number}" for number in range(2, 1000)))
        return next(name for name in names if not (self.root / name).exists())

    def _read(self, path: Path) -> Snapshot | None:
        try:
            return msgspec.json.decode((path / _MANIFEST).read_bytes(), type=Snapshot)
        except (OSError, msgspec.DecodeError):
            return None

    def _difference(self, path: Path, file: ModelFile) -> str:
        self._on_file("checking", path)
        if not path.is_file():
            return f"{path} is missing."
        if path.stat().st_size != file.size_bytes or hash_of(path) != file.sha256:
            return f"{path} is not what was recorded (SHA-256 {file.sha256})."
        return ""

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        make_folder(self.root, 0o700)
        with locked(self.root / ".lock", f"Another process is at work in {self.root}: wait until it has ended."):
            self._sweep()
            try:
                yield
            finally:
                self._sweep()

    def _sweep(self) -> None:
        for left in self.root.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(left, ignore_errors=True)


def _content(files: list[ModelFile]) -> dict[str, str]:
    return {file.name: file.sha256 for file in files}


def _place_of(file: ModelFile, folder: Path | None) -> Path:
    return folder / file.name if folder else Path(file.path)


def _staged(kept: Path, target: Path, *, is_copied: bool) -> Path:
    """The kept file beside its target, under a name that no model has."""
    make_folder(target.parent)
    unfinished = target.with_name(f".{target.name}.restoring")
    unfinished.unlink(missing_ok=True)
    try:
        place(kept, unfinished, is_copied=is_copied)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
    return unfinished
