"""The spool: files that were received whole, on disk, until the library has read them."""

import asyncio
import contextlib
import hashlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import msgspec
from uuid_utils import uuid7

from contract.documents import FREE_FLOOR_BYTES
from contract.runtime.files import sync_folder
from ingress.problems import Problem

PARTIAL: Final = ".part"
_RETRY_AFTER_S: Final = 60
_MODE: Final = 0o640


class Spooled(msgspec.Struct, frozen=True):
    """A file that is on the disk whole, under a name that says nothing yet."""

    path: Path
    sha256: str
    size_bytes: int


class Spool:
    """Receives files beside, each into a partial file that is swept when its request ends."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """`max_bytes`: the largest file."""
        self._folder = folder
        self._max_bytes = max_bytes

    @contextlib.asynccontextmanager
    async def received(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[Spooled]:
        """The file, for the time of a block: unless `keep` gave it a name, it is gone afterwards. Raises Problem."""
        partial = self._folder / f"{uuid7()}{PARTIAL}"
        try:
            yield await self._write(partial, chunks)
        finally:
            partial.unlink(missing_ok=True)

    async def keep(self, spooled: Spooled, name: str) -> Path:
        """Give the file the name under which the library looks for it; it survives a crash from then on."""
        kept = self._folder / name
        spooled.path.rename(kept)
        await asyncio.to_thread(sync_folder, self._folder)
        return kept

    async def _write(self, partial: Path, chunks: AsyncIterator[bytes]) -> Spooled:
        digest, size = hashlib.sha256(), 0
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with partial.open("xb", buffering=2**20) as file:
                async for chunk in chunks:
                    size += len(chunk)
                    if size > self._max_bytes:
                        raise document_too_large(self._max_bytes)
                    self._require_room(len(chunk))
                    digest.update(chunk)
                    file.write(chunk)
                file.flush()
                # The library may run as another user. The folder's own mode decides who reaches the file.
                os.fchmod(file.fileno(), _MODE)
                await asyncio.to_thread(os.fsync, file.fileno())
        except OSError as error:
            raise disk_full(f"The file can't be written ({error.strerror}).") from None
        return Spooled(partial, digest.hexdigest(), size)

    def _require_room(self, more_bytes: int) -> None:
        if shutil.disk_usage(self._folder).free - more_bytes < FREE_FLOOR_BYTES:
            raise disk_full("Less than 1 GiB of the disk is free.")


def document_too_large(limit_bytes: int) -> Problem:
    detail = f"A document may have {limit_bytes} bytes (DOCQA_DOCUMENT_MAX_MB) and this one has more."
    return Problem(413, "document-too-large", "The document is too large", detail, limit_bytes=limit_bytes)


def disk_full(reason: str) -> Problem:
    return Problem(
        429,
        "library-full",
        "The library takes no more documents now",
        f"{reason} Come back in {_RETRY_AFTER_S} s, or tell who runs this system.",
        headers={"Retry-After": str(_RETRY_AFTER_S)},
    )
