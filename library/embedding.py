"""Makes vectors of what was stored, below all else in priority: a document is found by its words meanwhile.

Runs on a thread of its own, whose niceness is its own. A version's vectors of one kind are stored at once, so a kill
loses those of one version, which is then done again. English passages get those of the embedder for English first,
which are made in less time and say more; all passages get the others when no English is left without.
"""

import asyncio
import os
import threading
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import structlog

from contract.embedding import Embedder, Embedders, EmbeddingError, QueryVectors, Vectors
from contract.embedding.embedders import english_among
from library import metrics
from library.search.meaning import pack, signs_of
from library.search.meanings import Meanings
from library.store.records import StoredPassage, Unembedded
from library.store.sqlite import SqliteStore
from library.store.vectors import ENGLISH, WHOLE, Kind

NICENESS: Final = 15
_BATCH: Final = 32
_VERSIONS_AT_A_TIME: Final = 16
_AGAIN_AFTER_S: Final = 30.0

log = structlog.get_logger(__name__)


class _StoppedError(Exception):
    """The library ends: what is not stored yet is made at the next start."""


class Embedding:
    """Follows the store with a setting's embedders."""

    def __init__(self, store: SqliteStore, embedders: Embedders, meanings: Meanings) -> None:
        self._store = store
        self._embedders = embedders
        self._meanings = meanings
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._is_loaded = threading.Event()
        self._thread = threading.Thread(target=self._run, name="embed", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def embed_query(self, text: str) -> QueryVectors | None:
        """A query's vectors; None while the models are being loaded or where they can't be: words do then."""
        return self._embedders.embed_query(text) if self._is_loaded.is_set() else None

    def wake(self) -> None:
        """Something was stored; for any thread."""
        self._wake.set()

    async def stop(self) -> None:
        """Within one batch."""
        self._stop.set()
        self._wake.set()
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        # On Linux the niceness is a thread's, whatever POSIX says.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        while not self._stop.is_set():
            try:
                self.embed_all()
            except _StoppedError:
                return
            except EmbeddingError as error:
                log.warning("documents are found by their words alone", reason=str(error))
                return
            # Of any kind: without this thread no document would ever get vectors; words find them meanwhile.
            except Exception:
                log.exception("vectors could not be made")
            self._wake.wait(_AGAIN_AFTER_S)
            self._wake.clear()

    def embed_all(self) -> None:
        """Make the vectors of all that waits; returns when nothing does, or once it is stopped."""
        if not self._is_loaded.is_set():
            # Without a function word: both models are loaded.
            self._embedders.embed_query("")
            self._is_loaded.set()
        self._embed_english()
        while waiting := self._store.unembedded(WHOLE, self._embedders.whole.name, _VERSIONS_AT_A_TIME):
            metrics.UNEMBEDDED.set(len(waiting))
            for version in waiting:
                self._embed(WHOLE, self._embedders.whole, version, list)
            self._meanings.refresh()
        metrics.UNEMBEDDED.set(0)

    def _embed_english(self) -> None:
        """Of all that was stored meanwhile, in the midst of the other vectors too."""
        if (english := self._embedders.english) is None:
            return
        while waiting := self._store.unembedded(ENGLISH, english.name, _VERSIONS_AT_A_TIME):
            metrics.UNEMBEDDED.set(len(waiting))
            for version in waiting:
                self._embed(ENGLISH, english, version, _english_of)
            self._meanings.refresh()

    def _embed(
        self, kind: Kind, embedder: Embedder, version: Unembedded,
        choose: Callable[[list[StoredPassage]], list[StoredPassage]],
    ) -> None:  # fmt: skip
        """Raises _StoppedError."""
        passages = self._store.passages_of(version.number)
        chosen = choose(passages)
        vectors = self._vectors(kind, embedder, [text for passage in chosen for text in sentence_texts(passage)])
        ends = np.cumsum([len(passage.sentences) for passage in chosen])
        split: list[Any] = np.split(vectors, ends[:-1]) if chosen else []
        each = dict(zip((passage.number for passage in chosen), split, strict=True))
        packed = [pack(number, rows) for number, rows in each.items()]
        none = vectors[:0]
        rows = [each.get(passage.number, none) for passage in passages]
        first = passages[0].number if passages else 0
        self._store.put_vectors(kind, version.number, embedder.name, packed, signs_of(version.number, first, rows))

    def _vectors(self, kind: Kind, embedder: Embedder, texts: list[str]) -> Vectors:
        parts = [np.zeros((0, embedder.dimensions), np.float32)]
        for start in range(0, len(texts), _BATCH):
            if self._stop.is_set():
                raise _StoppedError
            if kind is WHOLE and self._wake.is_set():
                self._wake.clear()
                self._embed_english()
            parts.append(embedder.embed_passages(texts[start : start + _BATCH]))
        return np.concatenate(parts)


def _english_of(passages: list[StoredPassage]) -> list[StoredPassage]:
    marks = english_among(passage.text for passage in passages)
    return [passage for passage, mark in zip(passages, marks, strict=True) if mark]


def sentence_texts(passage: StoredPassage) -> list[str]:
    """What the vector of each sentence is made of: what is above it, then its own words."""
    whole = passage.context + passage.text
    return [
        ". ".join([*(whole[start:end] for start, end in one.above[-2:]), passage.text[one.start : one.end]])
        for one in passage.sentences
    ]
