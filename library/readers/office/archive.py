"""Parts of a zip file, unpacked with a count: what a header says of a part's size is not believed."""

import zipfile
import zlib
from collections.abc import Iterator

from library.readers.limits import Limits
from library.readers.reading import ReadingFailed
from library.readers.source import Source

_PARTS = 20_000
_PIECE_BYTES = 1024 * 1024
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError)


class Archive:
    """An office file's parts by name; all that are read together may unpack to `limits.unpacked_bytes`."""

    def __init__(self, source: Source, limits: Limits) -> None:
        try:
            self._zip = zipfile.ZipFile(source.stream())
        except _BROKEN as error:
            raise _damaged() from error
        self._limit = limits.unpacked_bytes
        self._left = limits.unpacked_bytes
        self.names = self._zip.namelist()
        if len(self.names) > _PARTS:
            raise ReadingFailed("too-large", f"The file is an archive of {len(self.names):,} parts: it is no document.")

    def part(self, name: str) -> bytes:
        """The part's content. Raises KeyError where there is none, ReadingFailed past the limit or where damaged."""
        return b"".join(self.pieces(name))

    def pieces(self, name: str) -> Iterator[bytes]:
        """The part's content, a mebibyte at a time."""
        info = self._zip.getinfo(name)
        if info.flag_bits & 1:
            raise ReadingFailed("encrypted", "The document is protected by a password: save it without one.")
        try:
            with self._zip.open(info) as part:
                while piece := part.read(_PIECE_BYTES):
                    self._left -= len(piece)
                    if self._left < 0:
                        raise ReadingFailed(
                            "too-large",
                            f"The file unpacks to more than {self._limit // 1024**2:,} MiB: split the document.",
                        )
                    yield piece
        except _BROKEN as error:
            raise _damaged() from error


def _damaged() -> ReadingFailed:
    return ReadingFailed("damaged", "The file is cut off or damaged: send it again, or save it again.")
