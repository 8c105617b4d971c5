"""The store's connections: one that writes, and a few that read beside it. Knows no table."""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal

import apsw

from library.store import schema
from library.store.faults import StoreError, store_error

READERS: Final = 4
Use = Literal["read", "written"]
OnFault = Callable[[Use, StoreError | None], None]
"""Called when the database could not be read or written, and with None when it could."""


class Connections:
    """Every transaction is short: a reader that stays open would keep what was erased in the write-ahead log."""

    def __init__(self, path: Path, on_fault: OnFault = lambda use, error: None) -> None:
        """Raises SettingsError for a store that a newer version wrote, StoreError for one that can't be opened."""
        self.path = path
        self._on_fault = on_fault
        self._lock = threading.Lock()
        self._readers: queue.SimpleQueue[apsw.Connection] = queue.SimpleQueue()
        with self._translated("written"):
            self._writer = schema.open_writer(path)
            for _ in range(READERS):
                self._readers.put(schema.open_reader(path))
        self._inode = path.stat().st_ino

    @contextlib.contextmanager
    def writing(self) -> Iterator[apsw.Connection]:
        """One transaction: all of it, or nothing where the block raises. Raises StoreError for the disk's errors."""
        with self._lock, self._translated("written"):
            self._require_attached()
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                # A full disk shows here: a transaction that stayed open would keep all others from beginning.
                self._writer.execute("COMMIT")
            except BaseException:
                _roll_back(self._writer)
                raise

    @contextlib.contextmanager
    def reading(self) -> Iterator[apsw.Connection]:
        """A view of one moment, for any thread; waits where all are in use. Raises StoreError for the disk's errors."""
        connection = self._readers.get()
        try:
            with self._translated("read"):
                connection.execute("BEGIN")
                try:
                    yield connection
                finally:
                    _roll_back(connection)
        finally:
            self._readers.put(connection)

    @contextlib.contextmanager
    def _translated(self, use: Use) -> Iterator[None]:
        try:
            yield
        except apsw.Error as error:
            fault = store_error(error, self.path)
            if fault is None:
                raise
            self._on_fault(use, fault)
            raise fault from error
        else:
            self._on_fault(use, None)

    def _require_attached(self) -> None:
        if self.is_detached():
            fault = StoreError(
                f"The library's database {self.path} was moved or replaced while it is in use: put it back, or start "
                "the library again."
            )
            self._on_fault("written", fault)
            raise fault

    def is_detached(self) -> bool:
        """True: another file, or none, is where the database was; what is written now is lost with this process."""
        try:
            return self.path.stat().st_ino != self._inode
        except FileNotFoundError:
            return True

    def truncate_log(self) -> bool:
        """Move the write-ahead log into the database and cut it to nothing; False: somebody was reading, try again."""
        with self._lock, self._translated("written"):
            try:
                self._writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            except apsw.BusyError:
                return False
            return True

    def copy_to(self, path: Path) -> None:
        """A copy of the whole store as it is at one moment, while others write and read."""
        with self._translated("read"):
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


def _roll_back(connection: apsw.Connection) -> None:
    """End a transaction where there still is one: SQLite ends it itself after some errors of the disk."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")
