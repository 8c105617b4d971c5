"""The tombstones once more, in a file beside the store that no backup of the store replaces.

A line is an id, a generation and a time; nothing of a document's text or name. Appended and synced before the store's
own transaction ends.
"""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import apsw
import msgspec

from contract.runtime.files import sync_folder
from library.store.rows import query_one

FILE: Final = "tombstones.jsonl"


class Tombstone(msgspec.Struct, frozen=True):
    """One erased document."""

    document: str
    space: str
    publisher: str
    client: str
    generation: int
    erased_ms: int

    def restore(self, db: apsw.Connection) -> None:
        """Into a store that may be older than this."""
        db.execute(
            "INSERT INTO tombstones VALUES(?, ?, ?, ?, ?, ?, '[]', NOT EXISTS(SELECT 1 FROM documents WHERE id = ?1"
            " AND generation <= ?5)) ON CONFLICT(document) DO UPDATE SET generation = max(generation, ?5)",
            (self.document, self.space, self.publisher, self.client, self.generation, self.erased_ms),
        )


class Tombstones:
    """The file; a line that a crash cut off is passed over."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE

    def read(self) -> Iterator[Tombstone]:
        if not self._path.exists():
            return
        for line in self._path.read_bytes().splitlines():
            try:
                yield msgspec.json.decode(line, type=Tombstone)
            except msgspec.DecodeError:
                continue

    def add(self, db: apsw.Connection, document: str) -> None:
        """Append what the store has just noted of a document."""
        row = query_one(
            db,
            "SELECT document, space, publisher, client, generation, erased_ms FROM tombstones WHERE document = ?",
            (document,),
        )
        line = msgspec.json.encode(Tombstone(*row)) + b"\n"
        is_new = not self._path.exists()
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            # A line that a crash cut off ends here.
            if os.write(descriptor, b"\n" + line) <= len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            sync_folder(self._path.parent)
