"""Erases what was asked to be erased, until no file of ours holds it, also across restarts.

The tombstone is stored already. What goes here: the rows, the log, the original, what waits in the spool, attachments;
then workers forget. Only then is a document erased.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from library import metrics
from library.condition import Condition
from library.store.files import Files
from library.store.records import Erasure
from library.store.sqlite import SqliteStore

_AGAIN_AFTER_S: Final = 5.0
_SHOWN_AFTER_S: Final = 60.0
_PART: Final = "erasures"

log = structlog.get_logger(__name__)

Forget = Callable[[Sequence[Erasure]], Awaitable[bool]]
"""Has others forget documents; False: to be tried again."""


class Eraser:
    """All that wait, together."""

    def __init__(
        self,
        store: SqliteStore,
        files: Files,
        forget: Forget,
        on_removed: Callable[[str], None],
        condition: Condition | None = None,
    ) -> None:
        """`on_removed`: called on a thread, once a document's rows are gone."""
        self._condition = condition or Condition()
        self._store = store
        self._files = files
        self._forget = forget
        self._on_removed = on_removed
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def erase(self, document: str) -> None:
        """There is something to erase; for any thread."""
        self._loop.call_soon_threadsafe(self._wake.set)

    async def run(self) -> None:
        """Erase until cancelled, what was left by a former process first."""
        while True:
            self._wake.clear()
            try:
                is_done = await self._erase_all()
            except OSError as error:
                log.warning("erasures are tried again", reason=str(error))
                is_done = False
            if is_done is None:
                continue
            self._show(is_done=is_done)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if is_done else _AGAIN_AFTER_S):
                    await self._wake.wait()

    def _show(self, *, is_done: bool) -> None:
        if is_done:
            self._condition.well(_PART)
        else:
            sentence = "Erased documents can't be erased to the end: the library's log says what they wait for."
            self._condition.failing(_PART, sentence, shown_after_s=_SHOWN_AFTER_S)

    async def _erase_all(self) -> bool | None:
        """True: nothing is left to erase; None: what was attached to it is."""
        pending = await asyncio.to_thread(self._store.pending_erasures)
        removed = [erasure for erasure in pending if await self._is_removed(erasure)]
        if not removed:
            return not pending
        if not await self._forget(removed):
            return False
        for erasure in removed:
            await asyncio.to_thread(self._store.finish_erasure, erasure.document)
            metrics.ERASED.inc()
            log.info("document erased", document=erasure.document)
        if len(removed) < len(pending):
            return False
        # Attachments got tombstones of their own on the way.
        return None if await asyncio.to_thread(self._store.pending_erasures) else True

    async def _is_removed(self, erasure: Erasure) -> bool:
        try:
            await asyncio.to_thread(self._remove, erasure)
        # A full or broken disk, most of all: an erasure was promised, so it is tried until it is done.
        except Exception:
            log.exception("an erasure is tried again", document=erasure.document)
            return False
        return True

    def _remove(self, erasure: Erasure) -> None:
        for child in self._store.children_of(erasure.document):
            self._store.add_tombstone(child, erasure.publisher, erasure.client)
        self._files.drop_spooled_of(erasure.document)
        self._store.remove(erasure.document)
        # Not only its own: a former process may have been killed behind its rows.
        self._files.sweep_originals(self._store.needed_originals)
        self._on_removed(erasure.document)
