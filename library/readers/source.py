"""The file as a reader gets it: bytes in memory that are mapped, not copied, and what its sender calls it."""

import io
import mmap
import os
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, cast

import msgspec

from library.readers.reading import ReadingFailed

if TYPE_CHECKING:
    from typing_extensions import Buffer


class _Mapped(io.RawIOBase):
    """What mmap's own methods lack for zipfile: `seekable`, and a place for each reader."""

    def __init__(self, data: mmap.mmap | bytes) -> None:
        self._data = data
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: len(self._data)}[whence]
        if base + offset < 0:
            raise ValueError("a place before the file")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: "Buffer") -> int:
        target = memoryview(buffer)
        piece = self._data[self._position : self._position + len(target)]
        target[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)


class Source(msgspec.Struct, frozen=True):
    """`name` and `media_type` are claims: they decide only between kinds of text that look alike."""

    data: mmap.mmap | bytes
    name: str = ""
    media_type: str = ""
    tesseract: str = ""  # the program that reads images; empty: nothing does

    @property
    def suffix(self) -> str:
        """In lower case, with its dot."""
        return PurePosixPath(self.name).suffix.lower()

    def head(self, count: int) -> bytes:
        """The first bytes."""
        return bytes(self.data[:count])

    def stream(self) -> IO[bytes]:
        """As a file to read and seek in; a mapped one is not copied."""
        return cast("IO[bytes]", _Mapped(self.data))

    def content(self) -> bytes:
        """All of them, copied where they were mapped."""
        return self.data if isinstance(self.data, bytes) else self.data[:]


def open_source(descriptor: int, name: str, media_type: str, tesseract: str = "") -> Source:
    """Map the file behind the descriptor. Raises ReadingFailed where there is nothing in it."""
    if os.fstat(descriptor).st_size == 0:
        raise ReadingFailed("empty", "The file is empty.")
    # Never written to; but ctypes takes a pointer only to a writable (private) mapping.
    return Source(mmap.mmap(descriptor, 0, access=mmap.ACCESS_COPY), name, media_type, tesseract)
