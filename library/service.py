"""The library as a whole: store, search, imports, erasures and answers, from its start to its end."""

import asyncio
import contextlib
import functools
import time
from pathlib import Path
from typing import Final

import structlog
from nats.aio.msg import Msg

from contract import topology
from contract.bus import Bus, restore_mark
from contract.documents import GRANTS_FILE
from contract.embedding import Embedders
from contract.errors import BusError, StoreReplacedError
from contract.runtime import tasks
from contract.topology import ImportName
from library import metrics
from library.access import Access
from library.answers import Answers
from library.condition import Condition
from library.embedding import Embedding
from library.erasing import Eraser
from library.forgetting import Forgetting
from library.imports.consumer import Consumer
from library.imports.importer import Importer, Read
from library.imports.pace import Pace
from library.imports.pool import Preparation
from library.imports.prepare import READER, rules_of
from library.imports.renewal import Renewal
from library.readers import Limits, installed, read_file
from library.room import Room
from library.root.root import Root
from library.search.meanings import Meanings, names_of
from library.search.search import Search
from library.settings import LibrarySettings
from library.store.connections import Use
from library.store.faults import StoreError
from library.store.files import Files
from library.store.records import Made
from library.store.sqlite import SqliteStore
from library.workers import Workers

IMPORTS_AT_A_TIME: Final = 2
_TIDY_EVERY_S: Final = 300.0
_LOOPS_END_WITHIN_S: Final = 3.0
_DAY_MS: Final = 86_400_000
_LATE_RESULTS_MS: Final = 24 * 3_600_000
"""A worker that had read a document before it was erased may store its result once it has the message bus again."""
_CATCH_UP_EVERY_S: Final = 10.0
_RESTORED: Final = "bus restored at"
_PROBE_EVERY_S: Final = 10.0
_PROBED: Final = "probed at"

log = structlog.get_logger(__name__)


class Library:
    """Opens all of it; `run` works until it is cancelled, `close` leaves nothing behind."""

    def __init__(
        self,
        settings: LibrarySettings,
        bus: Bus,
        embedders: Embedders | None = None,
        read: Read | None = None,
        condition: Condition | None = None,
    ) -> None:
        """Raises SettingsError for rules of redaction or a store that can't be used. Needs a running loop."""
        self._damaged: set[Use] = set()
        self._made = Made(READER, rules_of(settings).name)
        self._settings = settings
        self._bus = bus
        self.condition = condition or Condition()
        self.store = SqliteStore(settings.folder, self._on_fault)
        self._files = Files(settings.folder)
        access = Access(settings.folder / GRANTS_FILE, has_tokens=settings.has_tokens)
        pace = Pace(IMPORTS_AT_A_TIME)
        self._meaning = Meanings.of(self.store, embedders) if embedders else None
        self._embedding = (
            Embedding(self.store, embedders, self._meaning, self.condition) if embedders and self._meaning else None
        )
        self._preparation = Preparation(settings)
        self._read = read or functools.partial(read_file, programs=installed(settings.ocr))
        importer = self._importer(keep_originals=settings.keep_originals)
        self._asked: set[asyncio.Task[None]] = set()
        self.consumer = Consumer(
            bus, self.store, importer, access, pace, settings.ack_wait_s, IMPORTS_AT_A_TIME, self.condition
        )
        self._workers = Workers(bus)
        self._renewal = Renewal(self.store, self._files, importer, self._made)
        self._forgetting = Forgetting(bus, self.store, self._workers)
        self._eraser = Eraser(self.store, self._files, self._forgetting.forget, self._on_removed, self.condition)
        self._root = self._opened_root(settings.root) if settings.root else None
        self._answers = Answers(
            bus,
            settings,
            self.store,
            self._files,
            access,
            Search(self.store, self._meaning, self._embedding.embed_query if self._embedding else None),
            pace,
            self._on_erase,
            names_of(embedders),
            self._root,
            self.condition,
        )

    def _importer(self, *, keep_originals: bool) -> Importer:
        return Importer(
            self.store,
            self._files,
            self._preparation,
            keep_originals=keep_originals,
            limits=Limits(),
            read=self._read,
            on_stored=self._on_stored,
            made=self._made,
        )

    def _opened_root(self, folder: Path) -> Root:
        """Its files are their own originals: no other copy is kept."""
        room = Room(self.store, self._files, self._settings.max_bytes)
        importer = self._importer(keep_originals=False)
        most = self._settings.document_max_bytes
        return Root(
            folder.absolute(), self.store, self._files, importer, room, most, self._made, self._on_erase, self.condition
        )

    async def connect(self) -> None:
        """Connect, and answer from now on. Tries until the bus is there."""
        await self._bus.connect(self._settings, "library")
        await self._workers.listen()
        await self._bus.subscribe(topology.LIBRARY_SUBJECTS, self._begin_answer)
        # From here on the server knows that somebody answers.
        await self._bus.client.flush()
        if self._meaning and self._embedding:
            with contextlib.suppress(OSError):
                await asyncio.to_thread(self._meaning.refresh)
            self._embedding.start()

    async def run(self) -> None:
        """Import, erase and tidy; one of them dying ends all."""
        loops = [
            asyncio.create_task(self.consumer.run(), name="take imports"),
            asyncio.create_task(self._eraser.run(), name="erase"),
            asyncio.create_task(self._tidy_for_ever(), name="tidy"),
            asyncio.create_task(self._renewal.run(), name="read anew"),
            asyncio.create_task(self._catch_up_for_ever(), name="erase late results"),
            asyncio.create_task(self._bus.watch(), name="watch the bus"),
            asyncio.create_task(self._probe_for_ever(), name="probe the store"),
        ]
        if self._root:
            loops.append(asyncio.create_task(self._root.run(), name="follow the root"))
        try:
            await asyncio.wait(loops, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.consumer.stop()
            await asyncio.wait(loops[:1], timeout=_LOOPS_END_WITHIN_S)
            await tasks.end(*loops, again_after_s=_LOOPS_END_WITHIN_S)
        for loop in loops:
            if not loop.cancelled():
                loop.result()

    async def close(self) -> None:
        """First what may still write to the bus or the store."""
        if self._embedding:
            await self._embedding.stop()
        if self._root:
            await asyncio.to_thread(self._root.close)
        self._preparation.close()
        await self._bus.close()
        self.store.close()

    async def _begin_answer(self, message: Msg) -> None:
        # A task of its own: the next request does not wait for this one's search.
        task = asyncio.create_task(self._answers.answer(message), name="answer")
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)

    def _on_fault(self, use: Use, error: StoreError | None) -> None:
        if error:
            self.condition.failing(f"store {use}", str(error))
        elif use not in self._damaged:
            self.condition.well(f"store {use}")
        if error and error.is_damaged:
            self._damaged.add(use)

    async def _probe_for_ever(self) -> None:
        """Whether the store can be written and read: shown before somebody's document shows it."""
        while True:
            with contextlib.suppress(OSError):
                await asyncio.to_thread(self._probe)
            if await asyncio.to_thread(self.store.is_replaced):
                raise StoreReplacedError
            await asyncio.sleep(_PROBE_EVERY_S)

    def _probe(self) -> None:
        """Raises OSError, which is shown already."""
        self._files.make_folders()
        self.store.note_fact(_PROBED, str(time.time_ns()))
        self.store.fact(_PROBED)

    def _on_stored(self) -> None:
        if self._embedding:
            self._embedding.wake()

    def _on_erase(self, document: str) -> None:
        self._eraser.erase(document)

    def _on_removed(self, document: str) -> None:
        if self._meaning:
            self._meaning.forget()

    async def _tidy_for_ever(self) -> None:
        while True:
            try:
                await self._tidy()
            except (BusError, OSError) as error:
                log.warning("the library's folder could not be tidied", error=str(error))
            await asyncio.sleep(_TIDY_EVERY_S)

    async def _tidy(self) -> None:
        """What is over goes: replaced versions, files that nothing refers to."""
        waiting = await self._waiting_spool_names()
        await asyncio.to_thread(self._tidy_files, waiting)

    async def _catch_up_for_ever(self) -> None:
        while True:
            try:
                await self._catch_up()
            except (BusError, OSError) as error:
                log.warning("results of erased documents wait", reason=str(error))
            await asyncio.sleep(_CATCH_UP_EVERY_S)

    async def _catch_up(self) -> None:
        """Results that jobs stored late, and whatever a restored backup of the message bus brought back."""
        await self._forgetting.pay_owed()
        await self._show_waiting()
        mark = await restore_mark.read(self._bus)
        restored = str(mark.at_s) if mark else ""
        if restored != await asyncio.to_thread(self.store.fact, _RESTORED):
            await self._forgetting.forget_restored(await asyncio.to_thread(self.store.recent_erasures, 0))
            await asyncio.to_thread(self.store.note_fact, _RESTORED, restored)
        since_ms = time.time_ns() // 1_000_000 - _LATE_RESULTS_MS
        if erased := await asyncio.to_thread(self.store.recent_erasures, since_ms):
            await self._forgetting.catch_up(erased)

    async def _show_waiting(self) -> None:
        metrics.WAITING.set(len(await self._bus.imports()))
        oldest = await self._bus.next_stored(topology.IMPORTS_STREAM, 1, topology.IMPORTS_SUBJECTS)
        metrics.OLDEST_WAITING.set(max(time.time() - oldest.time_s, 0) if oldest else 0)

    async def _waiting_spool_names(self) -> set[str]:
        names = await self._bus.imports()
        return {ImportName.from_subject(subject).spool_name for subject in names}

    def _tidy_files(self, waiting: set[str]) -> None:
        before_ms = time.time_ns() // 1_000_000 - int(self._settings.versions_keep_days * _DAY_MS)
        self.store.drop_replaced(before_ms)
        swept = self._files.sweep_originals(self.store.needed_originals) + self._files.sweep_spool(waiting)
        if swept:
            log.info("files that nothing refers to were removed", count=swept)
        metrics.show_usage(self.store.usage())
        metrics.show_waiting_bytes(self._files)
