"""The library's files beside its database: what waits in the spool, and the originals that are kept.

Both are named by what we made, never by what a client wrote. Originals are content-addressed: one file for each
SHA-256, however many documents have it.
"""

import contextlib
import hashlib
import os
import re
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Final

from contract.documents import SPOOL_FOLDER
from contract.runtime.files import make_folder, sync_folder
from contract.topology import ImportName

ORIGINALS_FOLDER: Final = "originals"
SPOOLED_FOR_S: Final = 3600.0
"""A spool file that nothing refers to may belong to an upload that is being published: it is swept after an hour."""

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_CHUNK_BYTES: Final = 1 << 20


class Files:
    """Below the library's folder. Every method may block; none follows a link."""

    def __init__(self, folder: Path) -> None:
        self.spool = folder / SPOOL_FOLDER
        self._originals = folder / ORIGINALS_FOLDER
        self.lock = threading.Lock()
        """Held while an original is kept and referred to: it is not swept in between."""
        self._in_use: Counter[str] = Counter()
        """Spool files that are being read, whatever their age: one laid from an original is as old as that."""
        self._folders = (self.spool, self._originals)
        self.make_folders()

    def make_folders(self) -> None:
        """Also again, where somebody removed one."""
        for one in self._folders:
            make_folder(one, 0o700)

    def spooled(self, name: ImportName) -> Path:
        return self.spool / name.spool_name

    @contextlib.contextmanager
    def in_use(self, name: ImportName) -> Iterator[None]:
        """A spool file is not swept in the time of a block."""
        self._in_use[name.spool_name] += 1
        try:
            yield
        finally:
            self._in_use[name.spool_name] -= 1

    def original(self, sha256: str) -> Path:
        """Where an original of this hash is; raises ValueError for what is no hash."""
        if not _SHA256.fullmatch(sha256):
            raise ValueError("not a SHA-256")
        return self._originals / sha256[:2] / sha256

    def keep(self, source: Path, sha256: str) -> None:
        """Keep a file as the original of its hash; whole on the disk when this returns. The source stays."""
        target = self.original(sha256)
        if target.exists():
            return
        make_folder(target.parent, 0o700)
        beside = target.with_name(f".{sha256}.{os.getpid()}")
        beside.unlink(missing_ok=True)
        try:
            with contextlib.suppress(OSError):
                os.link(source, beside)
            if not beside.exists():
                shutil.copyfile(source, beside)
            with beside.open("rb+") as file:
                os.fsync(file.fileno())
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
        sync_folder(target.parent)

    def drop_spooled(self, name: ImportName) -> None:
        self.spooled(name).unlink(missing_ok=True)

    def drop_spooled_of(self, document: str) -> None:
        """All that waits of a document, whatever the generation."""
        for file in self.spool.glob(f"{document}.*"):
            file.unlink(missing_ok=True)

    def sweep_originals(self, needed: Callable[[], Collection[str]]) -> int:
        """Remove the originals that nothing needs; how many."""
        with self.lock:
            kept = frozenset(needed())
            unneeded = [file for file in self._originals.glob("*/*") if file.name not in kept]
            for file in unneeded:
                file.unlink(missing_ok=True)
        return len(unneeded)

    def sweep_spool(self, waiting: Collection[str]) -> int:
        """Remove the spool files that nothing refers to any more; how many."""
        swept = 0
        too_old_s = time.time() - SPOOLED_FOR_S
        for file in self.spool.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if file.name not in waiting and not self._in_use[file.name] and file.stat().st_mtime < too_old_s:
                    file.unlink()
                    swept += 1
        return swept

    def spooled_bytes(self) -> int:
        total = 0
        for file in self.spool.iterdir():
            with contextlib.suppress(FileNotFoundError):
                total += file.stat().st_size
        return total

    def free_bytes(self) -> int:
        return shutil.disk_usage(self.spool).free


def sha256_of(path: Path) -> str:
    """Of a file's bytes; raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
