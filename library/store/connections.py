"""The store's connections: one that writes, and a few that read beside it. Knows no table."""

import contextlib
import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import apsw

from library.store import schema

READERS: Final = 4


class Connections:
    """Every transaction is short: a reader that stays open would keep what was erased in the write-ahead log."""

    def __init__(self, path: Path) -> None:
        """Raises SettingsError for a store that a newer version wrote."""
        self.path = path
        self._writer = schema.open_writer(path)
        self._lock = threading.Lock()
        self._readers: queue.SimpleQueue[apsw.Connection] = queue.SimpleQueue()
        for _ in range(READERS):
            self._readers.put(schema.open_reader(path))

    @contextlib.contextmanager
    def writing(self) -> Iterator[apsw.Connection]:
        """One transaction: all of it, or nothing of it where the block raises."""
        with self._lock:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            except BaseException:
                self._writer.execute("ROLLBACK")
                raise
            self._writer.execute("COMMIT")

    @contextlib.contextmanager
    def reading(self) -> Iterator[apsw.Connection]:
        """A view of one moment, for any thread; waits where all are in use."""
        connection = self._readers.get()
        try:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("ROLLBACK")
        finally:
            self._readers.put(connection)

    def truncate_log(self) -> bool:
        """Move the write-ahead log into the database and cut it to nothing; False: somebody was reading, try again."""
        with self._lock:
            try:
                self._writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            except apsw.BusyError:
                return False
            return True

    def copy_to(self, path: Path) -> None:
        """A copy of the whole store as it is at one moment, while others write and read."""
        source, target = schema.open_reader(self.path), apsw.Connection(str(path))
        try:
            with target.backup("main", source, "main") as backup:
                while not backup.done:
                    backup.step(256)
        finally:
            target.close()
            source.close()

    def close(self) -> None:
        with self._lock:
            for _ in range(READERS):
                self._readers.get().close()
            self._writer.close()
