"""Vectors as they are stored, one byte a number, and how alike they are: numpy alone, in any number."""

from collections.abc import Sequence
from typing import Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from contract.embedding.embedder import Vectors

_SCALE: Final = np.dtype("<f4")
_ROWS_AT_ONCE: Final = 1024
"""So that a block of float32 stays in a core's cache: 250,000 packed vectors of 384 take about 16 ms on one core."""


class Packed(NamedTuple):
    """Vectors with one byte a number: a quarter of the memory. Cosines differ by less than 0.005."""

    codes: npt.NDArray[np.int8]
    """Of shape (vectors, dimensions)."""
    scales: npt.NDArray[np.float32]
    """Of shape (vectors,): codes * scale are the numbers."""

    @classmethod
    def of(cls, vectors: Vectors) -> Self:
        """Round to 255 steps between a vector's largest number and its negative."""
        scales = np.abs(vectors).max(axis=1, initial=0).astype(np.float32) / 127
        steps = vectors / np.where(scales == 0, 1, scales)[:, None]
        return cls(np.rint(steps).astype(np.int8), scales)

    @classmethod
    def from_bytes(cls, blobs: Sequence[bytes], dimensions: int) -> Self:
        """Of what `to_bytes` made. Raises ValueError where one has another number of dimensions."""
        size = _SCALE.itemsize + dimensions
        if any(len(blob) != size for blob in blobs):
            raise ValueError(f"a stored vector has not {dimensions} dimensions")
        rows = np.frombuffer(b"".join(blobs), np.uint8).reshape(len(blobs), size)
        scales = rows[:, : _SCALE.itemsize].copy().view(_SCALE)[:, 0]
        return cls(rows[:, _SCALE.itemsize :].view(np.int8), scales)

    def to_bytes(self) -> list[bytes]:
        """One blob a vector, to be stored: its scale, then a byte for each number, on every machine alike."""
        scales = self.scales.astype(_SCALE)
        return [scale.tobytes() + row.tobytes() for scale, row in zip(scales, self.codes, strict=True)]

    def unpacked(self) -> Vectors:
        """As float32, of length 1 again."""
        vectors = self.codes.astype(np.float32) * self.scales[:, None]
        return unit(vectors)


def cosines(query: Vectors, vectors: Vectors | Packed) -> list[float]:
    """How alike a query's vector is to each of the vectors: -1 to 1, in their order."""
    if not isinstance(vectors, Packed):
        found: list[float] = (vectors @ query).tolist()
        return found
    count, dimensions = vectors.codes.shape
    block, result = np.empty((_ROWS_AT_ONCE, dimensions), np.float32), np.empty(count, np.float32)
    for start in range(0, count, _ROWS_AT_ONCE):
        codes = vectors.codes[start : start + _ROWS_AT_ONCE]
        # Converted a block at a time: numpy multiplies bytes without the processor's vector units.
        block[: len(codes)] = codes
        np.dot(block[: len(codes)], query, out=result[start : start + len(codes)])
    found = (result * vectors.scales).tolist()
    return found


def unit(vectors: Vectors) -> Vectors:
    """Each row brought to length 1; a row of zeros stays one."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: Vectors = (vectors / np.where(lengths == 0, 1, lengths)).astype(np.float32)
    return scaled
