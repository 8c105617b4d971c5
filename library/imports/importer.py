"""Makes a version, or a failure that says why, of each file that was brought in. Knows no bus.

Whatever is killed at whatever moment: the same work again finds what was done, and does the rest.
"""

import asyncio
import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, Protocol

import structlog

from contract.documents import document_id
from contract.topology import ImportName
from library import metrics
from library.imports.pool import Preparation, PreparationCrashedError
from library.imports.prepare import Source
from library.readers import Attachment, Limits, Progress, Reading, ReadingFailed, read_file
from library.store.files import Files, sha256_of
from library.store.records import Import, Made, Prepared
from library.store.sqlite import SqliteStore

MAX_CRASHES: Final = 3
"""Crashes of the reader over one document; then it is a failure."""
MAX_STARTS: Final = 20
"""Starts of one import, also those that ended with the whole library: it may be what ends it."""
MAX_DEPTH: Final = 3
"""Messages within messages."""
_PROGRESS_EVERY_S: Final = 0.5
_DISK_AGAIN_AFTER_S: Final = 10.0

log = structlog.get_logger(__name__)


class Read(Protocol):
    """See `library.readers.read_file`."""

    def __call__(
        self,
        file: Path,
        *,
        name: str,
        media_type: str,
        limits: Limits,
        on_progress: Callable[[Progress], None],
        attachments_in: Path,
    ) -> Awaitable[Reading]: ...


class TryAgainError(Exception):
    """The work could not be done now, through no fault of the document's."""

    def __init__(self, reason: str, delay_s: float) -> None:
        super().__init__(reason)
        self.delay_s = delay_s


class Importer:
    """Does one import at a call; several may run beside each other."""

    def __init__(
        self,
        store: SqliteStore,
        files: Files,
        preparation: Preparation,
        *,
        keep_originals: bool,
        limits: Limits | None = None,
        read: Read = read_file,
        on_stored: Callable[[], None] = lambda: None,
        made: Made | None = None,
    ) -> None:
        """`made`: attachments whose versions others made are read anew with what they are attached to."""
        self._store = store
        self._files = files
        self._preparation = preparation
        self._keep_originals = keep_originals
        self._limits = limits or Limits()
        self._read = read
        self._on_stored = on_stored
        self._made = made

    async def run(self, name: ImportName, work: Import) -> None:
        """Settle an import; raises TryAgainError where it has to come again."""
        try:
            with self._files.in_use(name):
                await self._import(name, work, self._files.spooled(name), depth=0)
        finally:
            metrics.show_waiting_bytes(self._files)
        await asyncio.to_thread(self._files.drop_spooled, name)

    async def _import(self, name: ImportName, work: Import, file: Path, depth: int) -> None:
        starts = await asyncio.to_thread(self._store.begin, work)
        if starts is None:
            log.info("nothing to import any more", document=work.document)
            return
        if starts >= MAX_STARTS:
            await self._fail(work, "attempts-exhausted", f"Reading it was broken off {starts} times.")
            return
        began_s = time.monotonic()
        try:
            await self._check(work, file)
            reading = await self._reading(work, file)
            try:
                await self._store_attachments(name, work, reading, depth)
                await self._commit(work, file, reading)
            finally:
                _close_attachments(reading)
        except ReadingFailed as failure:
            await self._failed(work, failure)
        except asyncio.CancelledError:
            # No fault of the document's: the library is being stopped.
            self._store.unbegin(work.document, work.generation)
            raise
        except PreparationCrashedError as error:
            await self._crashed(work, "reader-crashed", str(error))
        except TryAgainError:
            raise
        except OSError as error:
            # A full or broken disk is no fault of the document's: this start does not count.
            with contextlib.suppress(OSError):
                await asyncio.to_thread(self._store.unbegin, work.document, work.generation)
            raise TryAgainError(str(error), _DISK_AGAIN_AFTER_S) from None
        # What fails over one document for good must not be tried for ever.
        except Exception:
            log.exception("a document could not be stored", document=work.document)
            await self._crashed(work, "reader-crashed", "Storing its text failed: the library's log says why.")
        metrics.IMPORT_SECONDS.observe(time.monotonic() - began_s)

    async def _check(self, work: Import, file: Path) -> None:
        """The bytes are those that were promised."""
        try:
            found = await asyncio.to_thread(sha256_of, file)
        except FileNotFoundError:
            raise ReadingFailed("damaged", "The file is gone from the spool: send it again.") from None
        if found != work.sha256:
            raise ReadingFailed("damaged", "The file did not arrive whole: send it again.")

    async def _reading(self, work: Import, file: Path) -> Reading:
        told_s = 0.0

        def on_progress(progress: Progress) -> None:
            nonlocal told_s
            if time.monotonic() - told_s > _PROGRESS_EVERY_S:
                told_s = time.monotonic()
                self._store.note_pages(work.document, work.generation, progress.pages_read)

        return await self._read(
            file,
            name=work.name,
            media_type=work.media_type,
            limits=self._limits,
            on_progress=on_progress,
            attachments_in=self._files.spool,
        )

    async def _commit(self, work: Import, file: Path, reading: Reading) -> None:
        prepared = await self._preparation.prepare(_source(work, reading))
        if await asyncio.to_thread(self._keep, work, file, prepared):
            metrics.count_version(prepared)
            self._on_stored()
            log.info("document stored", document=work.document, characters=len(prepared.text))

    def _keep(self, work: Import, file: Path, prepared: Prepared) -> bool:
        """The original first, then text and index; False: erased or overtaken meanwhile."""
        original = work.sha256 if self._keep_originals else ""
        former = self._store.original_of(work.document) or original
        with self._files.lock:
            if original:
                self._files.keep(file, original)
            is_stored = self._store.commit(work.document, work.generation, prepared, original)
        if former != original or not is_stored:
            # The former version's, or this one's where it came too late.
            self._files.sweep_originals(self._store.needed_originals)
        return is_stored

    async def _failed(self, work: Import, failure: ReadingFailed) -> None:
        if failure.may_pass:
            await self._crashed(work, failure.code, failure.sentence)
        else:
            await self._fail(work, failure.code, failure.sentence)

    async def _crashed(self, work: Import, code: str, sentence: str) -> None:
        """Again, a few times."""
        crashes = await asyncio.to_thread(self._store.count_crash, work.document, work.generation)
        metrics.CRASHES.inc()
        if crashes < MAX_CRASHES:
            raise TryAgainError(sentence, delay_s=float(crashes))
        await self._fail(work, code, sentence)

    async def _fail(self, work: Import, code: str, sentence: str) -> None:
        if await asyncio.to_thread(self._store.fail, work.document, work.generation, code, sentence):
            metrics.count_failure(code)
            log.info("document failed", document=work.document, code=code)

    async def _store_attachments(self, name: ImportName, work: Import, reading: Reading, depth: int) -> None:
        """Each is a document of its own, settled before what it is attached to."""
        for attachment in reading.attachments:
            with attachment.file:
                if depth < MAX_DEPTH:
                    await self._store_attachment(name, work, attachment, depth + 1)

    async def _store_attachment(self, name: ImportName, work: Import, attachment: Attachment, depth: int) -> None:
        file = await asyncio.to_thread(_copied, attachment, self._files.spool)
        try:
            sha256 = await asyncio.to_thread(sha256_of, file)
            full_name = f"{work.name}/{attachment.name or 'attachment'}"
            document = document_id(work.space, full_name, sha256)
            placed = await asyncio.to_thread(self._store.place, document, work.space, sha256, self._made)
            child = Import(
                document=document,
                generation=placed.generation,
                publisher=work.publisher,
                client=work.client,
                space=work.space,
                name=full_name,
                sha256=sha256,
                size_bytes=attachment.size_bytes,
                media_type=attachment.media_type,
                parent=work.document,
            )
            if placed.state != "ready":
                await self._import(name, child, file, depth)
        finally:
            file.unlink(missing_ok=True)


def _copied(attachment: Attachment, folder: Path) -> Path:
    descriptor, path = tempfile.mkstemp(prefix="attachment.", dir=folder)
    with os.fdopen(descriptor, "wb") as target:
        shutil.copyfileobj(attachment.file, target)
    return Path(path)


def _source(work: Import, reading: Reading) -> Source:
    return Source(
        name=work.name,
        sha256=work.sha256,
        media_type=reading.media_type,
        title=reading.title,
        text=reading.text,
        pages=tuple((page.start, page.end) for page in reading.pages),
        headings=tuple((one.start, one.end, one.level) for one in reading.headings),
        hidden=tuple((one.start, one.end) for one in reading.hidden),
        labels=tuple(page.label for page in reading.pages),
        ocr_pages=frozenset(number for number, page in enumerate(reading.pages, 1) if page.ocr),
        pages_without_text=reading.pages_without_text,
    )


def _close_attachments(reading: Reading) -> None:
    """Free what will not be stored."""
    for attachment in reading.attachments:
        with contextlib.suppress(OSError):
            attachment.file.close()
