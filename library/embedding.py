"""Makes vectors of what was stored, below all else in priority: a document is found by its words meanwhile.

Runs on a thread of its own, whose niceness is its own. A version's vectors of one kind are stored at once, and short
versions are embedded together, so a kill loses those of a few, which are then done again. English passages get those of
the embedder for English first, which are made in less time and say more; all passages get the others when no English is
left without.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import structlog

from contract.embedding import Embedder, Embedders, EmbeddingError, QueryVectors, Vectors
from contract.embedding.embedders import english_among
from library import metrics
from library.condition import Condition
from library.search.meaning import pack, signs_of
from library.search.meanings import Meanings
from library.store.records import StoredPassage, Unembedded
from library.store.sqlite import SqliteStore
from library.store.vectors import ENGLISH, WHOLE, Kind, Packed, Signs

NICENESS: Final = 15
_BATCH: Final = 256
"""Sentences: so many that those of about one length meet, and no thread waits for another; about a second's work."""
_VERSIONS_AT_A_TIME: Final = 64
_AGAIN_AFTER_S: Final = 30.0
_PART: Final = "vectors"

log = structlog.get_logger(__name__)


class _StoppedError(Exception):
    """The library ends: what is not stored yet is made at the next start."""


class _Chosen(NamedTuple):
    """A version's passages, and those of them that get vectors."""

    version: int
    passages: list[StoredPassage]
    chosen: list[StoredPassage]

    @property
    def sentences(self) -> int:
        return sum(len(passage.sentences) for passage in self.chosen)

    def texts(self) -> list[str]:
        return [text for passage in self.chosen for text in sentence_texts(passage)]

    def packed(self, vectors: Vectors) -> tuple[list[Packed], Signs]:
        """What is stored of the chosen passages' vectors, a row a sentence."""
        ends = np.cumsum([len(passage.sentences) for passage in self.chosen])
        split: list[Any] = np.split(vectors, ends[:-1]) if self.chosen else []
        each = dict(zip((passage.number for passage in self.chosen), split, strict=True))
        rows = [each.get(passage.number, vectors[:0]) for passage in self.passages]
        first = self.passages[0].number if self.passages else 0
        return [pack(number, own) for number, own in each.items()], signs_of(self.version, first, rows)


_Choose: TypeAlias = Callable[[list[StoredPassage]], list[StoredPassage]]


class Embedding:
    """Follows the store with a setting's embedders."""

    def __init__(
        self, store: SqliteStore, embedders: Embedders, meanings: Meanings, condition: Condition | None = None
    ) -> None:
        self._condition = condition or Condition()
        self._left_out: set[tuple[Kind, int]] = set()
        """Versions of which no vectors could be made: they are found by their words until the next start."""
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
        former = ""
        while not self._stop.is_set():
            try:
                self.embed_all()
                former = ""
            except _StoppedError:
                return
            # Of any kind: without this thread no document would ever get vectors; words find them meanwhile.
            except Exception as error:
                reason = str(error) if isinstance(error, EmbeddingError | OSError) else repr(error)
                if reason != former:
                    log.warning("documents are found by their words alone", reason=reason)
                former = reason
                self._condition.failing(_PART, f"Documents are found by their words alone: {reason}")
                self._stop.wait(_AGAIN_AFTER_S)
                continue
            self._wake.wait(_AGAIN_AFTER_S)
            self._wake.clear()

    def embed_all(self) -> None:
        """Make the vectors of all that waits; returns when nothing does, or once it is stopped."""
        if not self._is_loaded.is_set():
            # Without a function word: both models are loaded.
            self._embedders.embed_query("")
            self._is_loaded.set()
        self._embed_english()
        while waiting := self._waiting(WHOLE, self._embedders.whole):
            metrics.UNEMBEDDED.set(len(waiting) + len(self._left_out))
            for several in self._together(waiting, list):
                self._embed(WHOLE, self._embedders.whole, several)
            self._meanings.refresh()
        metrics.UNEMBEDDED.set(len(self._left_out))
        if not self._left_out:
            self._condition.well(_PART)

    def _waiting(self, kind: Kind, embedder: Embedder) -> list[Unembedded]:
        found = self._store.unembedded(kind, embedder.name, _VERSIONS_AT_A_TIME + len(self._left_out))
        return [version for version in found if (kind, version.number) not in self._left_out]

    def _embed_english(self) -> None:
        """Of all that was stored meanwhile, in the midst of the other vectors too."""
        if (english := self._embedders.english) is None:
            return
        while waiting := self._waiting(ENGLISH, english):
            metrics.UNEMBEDDED.set(len(waiting) + len(self._left_out))
            for several in self._together(waiting, _english_of):
                self._embed(ENGLISH, english, several)
            self._meanings.refresh()

    def _together(self, waiting: Sequence[Unembedded], choose: _Choose) -> Iterator[list[_Chosen]]:
        """Versions in their order: as many as make up a batch of sentences, or one that is longer."""
        several: list[_Chosen] = []
        for version in waiting:
            passages = self._store.passages_of(version.number)
            several.append(_Chosen(version.number, passages, choose(passages)))
            if sum(one.sentences for one in several) >= _BATCH:
                yield several
                several = []
        if several:
            yield several

    def _embed(self, kind: Kind, embedder: Embedder, several: list[_Chosen]) -> None:
        """One text that the embedder fails over must not keep all others waiting. Raises _StoppedError."""
        try:
            self._embed_together(kind, embedder, several)
        except (_StoppedError, EmbeddingError, OSError):
            raise
        # Whatever a native library raises over a text.
        except Exception as error:
            for one in several if len(several) > 1 else []:
                self._embed(kind, embedder, [one])
            if len(several) == 1:
                self._leave_out(kind, several[0].version, error)

    def _leave_out(self, kind: Kind, version: int, error: Exception) -> None:
        log.error("a document is found by its words alone", version=version, reason=repr(error))
        self._left_out.add((kind, version))
        count = len(self._left_out)
        self._condition.failing(_PART, f"{count} documents are found by their words alone: see the library's log.")

    def _embed_together(self, kind: Kind, embedder: Embedder, several: list[_Chosen]) -> None:
        vectors = self._vectors(kind, embedder, [text for one in several for text in one.texts()])
        start = 0
        for one in several:
            packed, signs = one.packed(vectors[start : start + one.sentences])
            start += one.sentences
            self._store.put_vectors(kind, one.version, embedder.name, packed, signs)

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
