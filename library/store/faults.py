"""What SQLite says when a disk, and not a statement, is at fault: one sentence each, for people."""

from pathlib import Path
from typing import Final

import apsw


class StoreError(OSError):
    """The database can't be read or written now; its message is one sentence."""

    def __init__(self, sentence: str, *, is_damaged: bool = False) -> None:
        super().__init__(sentence)
        self.is_damaged = is_damaged
        """True: it will not pass by itself."""


_DAMAGED: Final = (apsw.CorruptError, apsw.NotADBError, apsw.FormatError)
_SENTENCES: Final[dict[type[apsw.Error], str]] = {
    apsw.FullError: "the disk is full: free some of it",
    apsw.ReadOnlyError: "it can't be written: look whether the disk is mounted read-only, and at its permissions",
    apsw.CantOpenError: "it can't be opened: look at the permissions of its folder",
    apsw.PermissionsError: "it can't be opened: look at its permissions",
    apsw.IOError: "the disk reports an error: look at the machine's log",
    apsw.NoMemError: "there is no memory for it",
    apsw.BusyError: "another program holds it locked: only the library may open it",
    apsw.LockedError: "another program holds it locked: only the library may open it",
    apsw.NoLFSError: "the file system takes no files of this size",
}


def store_error(error: apsw.Error, path: Path) -> StoreError | None:
    """The error as one of the disk's; None where the statement itself was wrong."""
    if isinstance(error, _DAMAGED):
        return StoreError(
            f"The library's database {path} is damaged: restore a backup, or move it away to begin anew.",
            is_damaged=True,
        )
    for kind, sentence in _SENTENCES.items():
        if isinstance(error, kind):
            return StoreError(f"The library's database {path}: {sentence}.")
    return None
