"""Finds sentences by meaning: the signs of all vectors in memory, one bit a dimension, and their bytes in the store.

The nearest by the number of equal signs are candidates; their order comes from the bytes. After "binary quantization
with rescoring" (Yamada and others, "Efficient passage retrieval with hashing", 2021).
"""

import threading
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from library.store.scope import Scope
from library.store.sqlite import SqliteStore
from library.store.vectors import Kind, Packed, Signs, counts

Floats = NDArray[np.float32]

_OVERSAMPLED: Final = 8
"""So many sentences are rescored for each passage that is wanted."""
_LEAST_RESCORED: Final = 200
_LARGEST_CODE: Final = 127


def pack(passage: int, vectors: Floats) -> Packed:
    """A passage's vectors, a row a sentence, as bytes."""
    scales = np.abs(vectors).max(axis=1, initial=1e-9).astype(np.float32) / _LARGEST_CODE
    codes = np.rint(vectors / scales[:, None]).astype(np.int8)
    return Packed(passage, scales.astype("<f4").tobytes(), codes.tobytes())


def unpack(packed: Packed) -> Floats:
    """A passage's vectors, a row a sentence."""
    scales = np.frombuffer(packed.scales, "<f4")
    codes = np.frombuffer(packed.codes, np.int8).reshape(len(scales), -1)
    vectors: Floats = codes.astype(np.float32) * scales[:, None]
    return vectors


def signs_of(version: int, first: int, passages: Sequence[Floats]) -> Signs:
    """The signs of a version's vectors; `passages` has an array for each passage."""
    rows = np.concatenate(passages) if passages else np.zeros((0, 8), np.float32)
    return Signs(version, first, np.packbits(rows > 0, axis=1).tobytes(), counts([len(one) for one in passages]))


class Meaning:
    """The signs of one embedder's vectors. Safe in any thread."""

    def __init__(self, store: SqliteStore, kind: Kind, embedder: str, dimensions: int) -> None:
        self._store = store
        self._kind = kind
        self._embedder = embedder
        self._width = -(-dimensions // 64)
        self._lock = threading.Lock()
        self._known: set[int] = set()
        self._bits: NDArray[np.uint64] = np.zeros((self._width, 0), np.uint64)
        """A column a sentence: row by row they are compared several times as fast."""
        self._passages: NDArray[np.int64] = np.zeros(0, np.int64)

    def refresh(self) -> None:
        """Take in the vectors that were stored since."""
        with self._lock:
            fresh = self._store.signs(self._kind, self._embedder, self._known)
            if not fresh:
                return
            bits = np.concatenate([self._bits, *map(self._words, fresh)], axis=1)
            passages = np.concatenate([self._passages, *map(_numbers, fresh)])
            if (np.diff(passages) < 0).any():
                order = np.argsort(passages, kind="stable")
                bits, passages = np.take(bits, order, axis=1), passages[order]
            self._bits, self._passages = bits, passages
            self._known.update(signs.version for signs in fresh)

    def forget(self) -> None:
        """Drop all vectors and load what the store still has: after an erasure."""
        with self._lock:
            self._known.clear()
            self._bits, self._passages = self._bits[:, :0].copy(), self._passages[:0].copy()
        self.refresh()

    def find(self, query: Floats, scope: Scope, limit: int) -> dict[int, Floats]:
        """The passages of a scope that are nearest to the query; under each, the cosines of its sentences."""
        with self._lock:
            bits, passages = self._bits, self._passages
        ranges = _within(passages, self._store.numbers_in(scope))
        if not ranges:
            return {}
        wanted = np.packbits(query > 0)
        padded = np.zeros(self._width * 8, np.uint8)
        padded[: len(wanted)] = wanted
        differing, chosen = _differing(bits, ranges, padded.view(np.uint64)), _places(ranges)
        nearest = _smallest(differing, max(_OVERSAMPLED * limit, _LEAST_RESCORED))
        near = list(dict.fromkeys(passages[chosen[nearest]].tolist()))
        cosines = self.cosines(query, near)
        best = sorted(cosines, key=lambda number: -float(cosines[number].max(initial=-1)))[:limit]
        return {number: cosines[number] for number in best}

    def cosines(self, query: Floats, numbers: list[int]) -> dict[int, Floats]:
        """Under each passage that has vectors: the cosines of its sentences."""
        return {
            number: unpack(packed) @ query for number, packed in self._store.vectors_of(self._kind, numbers).items()
        }

    def _words(self, signs: Signs) -> NDArray[np.uint64]:
        rows = np.frombuffer(signs.bits, np.uint8)
        total = int(np.frombuffer(signs.counts, "<u2").sum())
        rows = rows.reshape(total, -1) if total else rows.reshape(0, self._width * 8)
        padded = np.zeros((total, self._width * 8), np.uint8)
        padded[:, : rows.shape[1]] = rows
        return padded.view(np.uint64).T


def _numbers(signs: Signs) -> NDArray[np.int64]:
    """The number of each sentence's passage."""
    each = np.frombuffer(signs.counts, "<u2")
    return np.repeat(np.arange(signs.first, signs.first + len(each), dtype=np.int64), each)


def _within(passages: NDArray[np.int64], ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Where sentences of these ranges of passages are, in ascending order; neighbours are one."""
    ranges = sorted(ranges)
    starts = np.searchsorted(passages, [first for first, _ in ranges], "left").tolist()
    ends = np.searchsorted(passages, [last for _, last in ranges], "right").tolist()
    found: list[tuple[int, int]] = []
    for start, end in zip(starts, ends, strict=True):
        if end > start and found and found[-1][1] == start:
            found[-1] = (found[-1][0], end)
        elif end > start:
            found.append((start, end))
    return found


def _places(ranges: list[tuple[int, int]]) -> NDArray[np.int64]:
    return np.concatenate([np.arange(start, end) for start, end in ranges])


def _differing(
    bits: NDArray[np.uint64], ranges: list[tuple[int, int]], wanted: NDArray[np.uint64]
) -> NDArray[np.uint16]:
    """In how many bits each sentence of the ranges differs from what is wanted."""
    (start, end), *others = ranges
    chosen = np.take(bits, _places(ranges), axis=1) if others else bits[:, start:end]
    total = np.zeros(chosen.shape[1], np.uint16)
    for row, word in zip(chosen, wanted, strict=True):
        total += np.bitwise_count(row ^ word)
    return total


def _smallest(values: NDArray[np.uint16], count: int) -> NDArray[np.int64]:
    if count >= len(values):
        return np.arange(len(values))
    return np.argpartition(values, count)[:count].astype(np.int64)
