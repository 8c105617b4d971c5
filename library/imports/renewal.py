"""Reads documents anew whose versions another reader or other rules of redaction made, from their originals.

One at a time; what is found now stays found until its new version is there. What waits shows in the store itself, so a
kill loses nothing.
"""

import asyncio
import contextlib
import os
import shutil
from pathlib import Path
from typing import Final

import msgspec
import structlog

from contract.errors import LibraryRefusedError
from contract.topology import ImportName
from library.imports.importer import Importer, TryAgainError
from library.store.files import Files
from library.store.records import Import, Made
from library.store.sqlite import SqliteStore

_AGAIN_AFTER_S: Final = 5.0
_PASSED_OVER_AGAIN_AFTER_S: Final = 600.0

log = structlog.get_logger(__name__)


class Renewal:
    """Brings the store to one reader and one set of rules; those without an original stay as they are."""

    def __init__(self, store: SqliteStore, files: Files, importer: Importer, made: Made) -> None:
        self._store = store
        self._files = files
        self._importer = importer
        self._made = made

    async def run(self) -> None:
        """Until nothing is left; never returns."""
        while True:
            try:
                await self._renew_all()
            except OSError as error:
                log.warning("documents are read anew later", reason=str(error))
            # What nothing came of, as where an original is gone, is tried again rarely, and keeps no other waiting.
            await asyncio.sleep(_PASSED_OVER_AGAIN_AFTER_S)

    async def _renew_all(self) -> None:
        """Each once; raises OSError where the store can't be read."""
        roots = await asyncio.to_thread(self._store.root_outdated, self._made)
        count, former = 0, ""
        while work := await asyncio.to_thread(self._store.next_outdated, self._made, former):
            former = work.document
            try:
                await self._renew(work)
                count += 1
            except (TryAgainError, LibraryRefusedError, OSError) as error:
                log.warning("a document is read anew later", document=work.document, reason=str(error))
                await asyncio.sleep(_AGAIN_AFTER_S)
        if count or roots:
            log.info("documents were read anew, with other rules or another reader", uploads=count, root_files=roots)

    async def _renew(self, work: Import) -> None:
        placed = await asyncio.to_thread(self._store.place, work.document, work.space, work.sha256, self._made)
        name = ImportName(work.publisher, work.client, work.document, placed.generation)
        with self._files.in_use(name):
            await asyncio.to_thread(_lay, self._files.original(work.sha256), self._files.spooled(name))
            await self._importer.run(name, msgspec.structs.replace(work, generation=placed.generation))


def _lay(original: Path, target: Path) -> None:
    """The original in the spool, where imports are read from."""
    target.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        os.link(original, target)
    if not target.exists():
        shutil.copyfile(original, target)
