"""Makes vectors of what was stored, below all else in priority: a document is found by its words meanwhile.

Runs on a thread of its own, whose niceness is its own. A version's vectors are stored at once, so a kill loses those
of one version, which is then done again.
"""

import asyncio
import os
import threading
from typing import Any, Final

import numpy as np
import structlog

from contract.embedding import Embedder, EmbeddingError, Vectors
from library import metrics
from library.search.meaning import Meaning, pack, signs_of
from library.store.records import StoredPassage, Unembedded
from library.store.sqlite import SqliteStore

NICENESS: Final = 15
_BATCH: Final = 32
_VERSIONS_AT_A_TIME: Final = 16
_AGAIN_AFTER_S: Final = 30.0

log = structlog.get_logger(__name__)


class Embedding:
    """Follows the store with one embedder."""

    def __init__(self, store: SqliteStore, embedder: Embedder, meaning: Meaning) -> None:
        self._store = store
        self._embedder = embedder
        self._meaning = meaning
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._is_loaded = threading.Event()
        self._thread = threading.Thread(target=self._run, name="embed", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def embed_query(self, text: str) -> Vectors | None:
        """A query's vector; None while the model is being loaded or where it can't be: words do then."""
        return self._embedder.embed_query(text) if self._is_loaded.is_set() else None

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
                self._embed_all()
            except EmbeddingError as error:
                log.warning("documents are found by their words alone", reason=str(error))
                return
            # Of any kind: without this thread no document would ever get vectors; words find them meanwhile.
            except Exception:
                log.exception("vectors could not be made")
            self._wake.wait(_AGAIN_AFTER_S)
            self._wake.clear()

    def _embed_all(self) -> None:
        if not self._is_loaded.is_set():
            self._embedder.embed_query("")
            self._is_loaded.set()
        while waiting := self._store.unembedded(self._embedder.name, _VERSIONS_AT_A_TIME):
            metrics.UNEMBEDDED.set(len(waiting))
            for version in waiting:
                if self._stop.is_set() or not self._embed(version):
                    return
            self._meaning.refresh()
        metrics.UNEMBEDDED.set(0)

    def _embed(self, version: Unembedded) -> bool:
        """False: stopped on the way."""
        passages = self._store.passages_of(version.number)
        texts = [text for passage in passages for text in sentence_texts(passage)]
        parts = [np.zeros((0, self._embedder.dimensions), np.float32)]
        for start in range(0, len(texts), _BATCH):
            if self._stop.is_set():
                return False
            parts.append(self._embedder.embed_passages(texts[start : start + _BATCH]))
        vectors = np.concatenate(parts)
        ends = np.cumsum([len(passage.sentences) for passage in passages])
        each: list[Any] = np.split(vectors, ends[:-1]) if passages else []
        packed = [pack(passage.number, rows) for passage, rows in zip(passages, each, strict=True)]
        first = passages[0].number if passages else 0
        self._store.put_vectors(version.number, self._embedder.name, packed, signs_of(version.number, first, each))
        return True


def sentence_texts(passage: StoredPassage) -> list[str]:
    """What the vector of each sentence is made of: what is above it, then its own words."""
    whole = passage.context + passage.text
    return [
        ". ".join([*(whole[start:end] for start, end in one.above[-2:]), passage.text[one.start : one.end]])
        for one in passage.sentences
    ]
