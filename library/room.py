"""Whether there is room for a file: the library's own bound, and what must stay free on the disk for all others."""

from typing import Final

from contract.documents import FREE_FLOOR_BYTES
from contract.errors import LibraryRefusedError
from library.store.files import Files
from library.store.sqlite import SqliteStore

_AGAIN_AFTER_S: Final = 60
_TEXT_SHARE: Final = 3
"""What a file's text and index may take beside the file itself, at most, in files of its size."""


class Room:
    """Looks at the disk each time."""

    def __init__(self, store: SqliteStore, files: Files, max_bytes: int, floor_bytes: int = FREE_FLOOR_BYTES) -> None:
        self._store = store
        self._files = files
        self._max_bytes = max_bytes
        self._floor_bytes = floor_bytes

    def check(self, size_bytes: int) -> None:
        """Raises LibraryRefusedError where a file of this size can't be taken now. May block."""
        usage = self._store.usage()
        used = usage.store_bytes + usage.originals_bytes + self._files.spooled_bytes()
        if used + size_bytes > self._max_bytes:
            raise LibraryRefusedError(
                "library-full",
                f"The library keeps {used >> 20} MiB of the {self._max_bytes >> 20} MiB of DOCQA_LIBRARY_MAX_MB: "
                "erase documents, or raise it.",
                _AGAIN_AFTER_S,
            )
        if self._files.free_bytes() < self._floor_bytes + _TEXT_SHARE * size_bytes:
            raise LibraryRefusedError(
                "library-full", "The library's disk has no room: free some of it.", _AGAIN_AFTER_S
            )
