"""Follows the files below DOCQA_ROOT: looks, notes what changed, and reads one file after the other into `root`.

What waits is noted in the store, so that a kill loses nothing. A document goes with its file, but never because a share
dropped out: see `library.root.changes`.
"""

import asyncio
import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Final

import structlog
from uuid_utils import uuid7

from contract.errors import LibraryRefusedError
from contract.library_messages import OddFile, ScanReply
from contract.topology import ROOT_SPACE, ImportName, derived_id
from library import metrics
from library.condition import Condition
from library.imports.importer import Importer, TryAgainError
from library.room import Room
from library.root.beneath import open_file, shown, stat_of, walk
from library.root.changes import Changes, are_too_many, changes_between
from library.root.watch import Watch
from library.store.files import Files
from library.store.records import Import, Made, Stat
from library.store.sqlite import SqliteStore

OWNER: Final = "root"
"""Publisher and client of what is read here; no client's own space has this name."""
POLL_S: Final = 60.0
SETTLES_S: Final = 1.0
"""Several files are mostly written together: they are looked for once."""
REST_FACTOR: Final = 9.0
"""A look is followed by so many times its own time of rest, so that it takes at most a tenth of a core."""
SHOWN_ODD: Final = 100
NICENESS: Final = 10
_AGAIN_AFTER_S: Final = 5.0
_COPY_BYTES: Final = 1 << 20
_DEVICE: Final = "root device"

log = structlog.get_logger(__name__)


class Root:
    """One folder. `run` until cancelled; `scan` looks at once."""

    def __init__(
        self,
        folder: Path,
        store: SqliteStore,
        files: Files,
        importer: Importer,
        room: Room,
        max_file_bytes: int,
        made: Made,
        on_erase: Callable[[str], None],
        condition: Condition | None = None,
    ) -> None:
        self._condition = condition or Condition()
        self._folder = folder
        self._store = store
        self._files = files
        self._importer = importer
        self._room = room
        self._max_file_bytes = max_file_bytes
        self._made = made
        self._on_erase = on_erase
        self._watch = Watch()
        self._thread = ThreadPoolExecutor(1, "look at the root", initializer=_be_nice)
        self._waits = asyncio.Event()
        self._reading = ""
        self._last = ScanReply(files=0, waiting=0, problem="The root was not looked at yet.")
        self._looked_s = 0.0
        self._is_unwatched = False
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self) -> None:
        """Look and read; one of them dying ends both."""
        self._loop = asyncio.get_running_loop()
        loops = [
            asyncio.create_task(self._look_for_ever(), name="look at the root"),
            asyncio.create_task(self._read_for_ever(), name="read the root"),
        ]
        try:
            await asyncio.wait(loops, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for loop in loops:
                loop.cancel()
            self._watch.wake()
            await asyncio.gather(*loops, return_exceptions=True)
        for loop in loops:
            if not loop.cancelled():
                loop.result()

    def close(self) -> None:
        self._watch.wake()
        self._thread.shutdown(cancel_futures=True)
        self._watch.close()

    @property
    def waiting(self) -> int:
        """Files that are still to be read, when it was last looked."""
        return self._last.waiting

    async def scan(self, *, confirm_removals: bool = False) -> ScanReply:
        """Look now; what is missing is removed if so many were removed on purpose."""
        self._watch.wake()
        await self._on_thread(lambda: self._look(confirm_removals=confirm_removals))
        return self._last

    async def _on_thread(self, work: Callable[[], object]) -> object:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _look_for_ever(self) -> None:
        while True:
            try:
                await self._on_thread(lambda: self._look(confirm_removals=False))
            except OSError as error:
                log.warning("the root is looked at again later", reason=str(error))
            await self._on_thread(self._wait)

    def _wait(self) -> None:
        """Until something changed, or it is time anyhow; never more than a tenth of the time is spent on looking."""
        rest_s = max(REST_FACTOR * self._looked_s, SETTLES_S)
        if self._watch.wait(max(POLL_S, rest_s)):
            self._watch.wait(rest_s) if rest_s > SETTLES_S else time.sleep(SETTLES_S)

    def _look(self, *, confirm_removals: bool) -> None:
        began_s = time.monotonic()
        try:
            device = self._folder.stat().st_dev
            seen = list(walk(self._folder, lambda path: self._watch.add(self._folder / path)))
        except OSError as error:
            self._report(f"DOCQA_ROOT can't be read ({error.strerror}): its documents stay as they are.", 0, {})
            return
        self._note_unwatched()
        changes = changes_between(self._store.root_known(), seen)
        problem = "" if confirm_removals else self._why_held(changes, device, any(one.stat for one in seen))
        self._apply(changes, held=bool(problem))
        if not problem:
            self._store.note_fact(_DEVICE, str(device))
        self._report(problem, len(changes.removed) if problem else 0, changes.odd)
        self._looked_s = time.monotonic() - began_s

    def _note_unwatched(self) -> None:
        if not self._watch.is_complete and not self._is_unwatched:
            log.warning(
                "not every folder can be watched: changes are found within a minute; raise fs.inotify.max_user_watches"
                " and fs.inotify.max_user_instances",
            )
        self._is_unwatched = not self._watch.is_complete

    def _why_held(self, changes: Changes, device: int, has_files: bool) -> str:
        """Why nothing is removed: it looks as if a share dropped out."""
        if not changes.removed:
            return ""
        files, _ = self._store.root_counts()
        former = self._store.fact(_DEVICE)
        if not has_files:
            return "DOCQA_ROOT is empty: its documents stay until `docqa documents scan --confirm-removals`."
        if former not in ("", str(device)):
            return (
                "DOCQA_ROOT is on another device: nothing is removed until `docqa documents scan --confirm-removals`."
            )
        if are_too_many(len(changes.removed), files):
            return (
                f"{len(changes.removed)} of {files} files are missing: their documents stay until "
                "`docqa documents scan --confirm-removals`."
            )
        return ""

    def _apply(self, changes: Changes, *, held: bool) -> None:
        for source, target, stat in changes.moved:
            # One that is being read is moved at the next look: its words are indexed under the name that it has.
            if source != self._reading:
                self._store.root_move(source, target, stat)
        found = [*changes.new.items(), *changes.changed.items()]
        self._store.root_put([(path, _document(path, stat), stat) for path, stat in found])
        for path in [] if held else changes.removed:
            if document := self._store.root_remove(path, OWNER, OWNER):
                self._on_erase(document)

    def _report(self, problem: str, removals_held: int, odd: dict[str, str]) -> None:
        files, waiting = self._store.root_counts()
        if problem and problem != self._last.problem:
            log.warning("the root needs a look", problem=problem)
        if problem:
            self._condition.failing("root", problem)
        else:
            self._condition.well("root")
        odd_files = [OddFile(path=shown(path), why=why) for path, why in list(odd.items())[:SHOWN_ODD]]
        self._last = ScanReply(
            files=files,
            waiting=waiting,
            odd=odd_files,
            odd_count=len(odd),
            removals_held=removals_held,
            problem=problem,
        )
        metrics.show_root(self._last)
        if waiting and self._loop:
            self._loop.call_soon_threadsafe(self._waits.set)

    async def _read_for_ever(self) -> None:
        path = ""
        while True:
            self._waits.clear()
            try:
                waiting = await asyncio.to_thread(self._store.root_next, path)
            except OSError as error:
                log.warning("files of the root are read later", reason=str(error))
                await asyncio.sleep(_AGAIN_AFTER_S)
                continue
            if waiting is None:
                await self._waits.wait()
                continue
            path, document, stat = waiting
            self._reading = path
            try:
                await self._read(path, document, stat)
            except (TryAgainError, LibraryRefusedError, OSError) as error:
                log.warning("a file of the root is tried again", reason=str(error))
                await asyncio.sleep(_AGAIN_AFTER_S)
            # One file must neither end the library nor keep the others waiting: it comes again behind them.
            except Exception:
                log.exception("a file of the root is tried again after an unexpected error", path=path)
                await asyncio.sleep(_AGAIN_AFTER_S)
            finally:
                self._reading = ""
            await self._show_waiting()

    async def _show_waiting(self) -> None:
        with contextlib.suppress(OSError):
            metrics.ROOT_WAITING.set((await asyncio.to_thread(self._store.root_counts))[1])

    async def _read(self, path: str, document: str, stat: Stat) -> None:
        """One file, as it is now; one that changes meanwhile is read again."""
        if stat.size_bytes <= self._max_file_bytes:
            await asyncio.to_thread(self._room.check, stat.size_bytes)
        taken = await asyncio.to_thread(self._take, path, document, stat)
        if taken is None:
            # Moved, removed or written to: the next look says which.
            self._watch.wake()
            await asyncio.sleep(_AGAIN_AFTER_S)
            return
        name, work = taken
        if name:
            await self._importer.run(name, work)
        await asyncio.to_thread(self._store.root_settle, path, stat)

    def _take(self, path: str, document: str, stat: Stat) -> "tuple[ImportName | None, Import] | None":
        """Copy the file into the spool, so that it is read as it is now; None where it is another one meanwhile."""
        try:
            descriptor, now = open_file(self._folder, path)
        except OSError:
            return None
        partial = self._files.spool / f"root.{uuid7()}"
        with os.fdopen(descriptor, "rb") as source:
            if not now.is_same_file(stat):
                return None
            try:
                is_too_large = stat.size_bytes > self._max_file_bytes
                sha256 = _copied(source, None if is_too_large else partial)
                if not stat_of(os.fstat(source.fileno())).is_same_file(stat):
                    return None
                placed = self._store.place(document, ROOT_SPACE, sha256, self._made)
                work = _import(path, document, placed.generation, sha256, stat.size_bytes)
                if placed.state == "ready":
                    return None, work
                if is_too_large:
                    self._refuse(work)
                    return None, work
                name = ImportName(OWNER, OWNER, document, placed.generation)
                partial.replace(self._files.spooled(name))
                return name, work
            finally:
                partial.unlink(missing_ok=True)

    def _refuse(self, work: Import) -> None:
        if self._store.begin(work) is not None:
            most = self._max_file_bytes >> 20
            sentence = f"The file is larger than DOCQA_DOCUMENT_MAX_MB ({most} MiB)."
            self._store.fail(work.document, work.generation, "too-large", sentence)


def _copied(source: IO[bytes], target: Path | None) -> str:
    """The SHA-256 of a file, which is copied where there is a target."""
    digest = hashlib.sha256()
    with contextlib.ExitStack() as held:
        copy = held.enter_context(target.open("xb")) if target else None
        while chunk := source.read(_COPY_BYTES):
            digest.update(chunk)
            if copy:
                copy.write(chunk)
    return digest.hexdigest()


def _document(path: str, stat: Stat) -> str:
    """The id of what is new at a path: another one each time, since a file that was there before may have moved."""
    return derived_id("root", path, str(stat.inode), str(time.time_ns()))


def _import(path: str, document: str, generation: int, sha256: str, size_bytes: int) -> Import:
    return Import(
        document=document,
        generation=generation,
        publisher=OWNER,
        client=OWNER,
        space=ROOT_SPACE,
        name=path,
        sha256=sha256,
        size_bytes=size_bytes,
    )


def _be_nice() -> None:
    # On Linux the niceness is a thread's, whatever POSIX says.
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
