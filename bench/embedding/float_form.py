"""multilingual-e5-small in float32, one text at a time: what the 8-bit form is made from, and measured against."""

import numpy as np
import onnxruntime

from contract.embedding.bert import float_encoder
from contract.embedding.e5_file import E5File
from contract.embedding.embedder import Vectors
from contract.embedding.tokenizer import Tokenizer


class FloatForm:
    """Slow and exact: for benchmarks."""

    def __init__(self) -> None:
        self._file = E5File.bundled()
        self._encoder = float_encoder(self._file)
        self._session = onnxruntime.InferenceSession(self._encoder.model, providers=["CPUExecutionProvider"])
        self._tokenizer = Tokenizer(self._file.vocabulary, self._file.window)

    def measure(self, prefix: str, text: str) -> tuple[Vectors, list[Vectors]]:
        """The vector as the model makes it, nothing taken off, and the tokens' states before each linear layer."""
        (pieces,) = self._tokenizer.encode(prefix, [text])
        ids = np.array([pieces], np.int64)
        words = self._file.words(ids) + self._file.positions[: len(pieces)]
        inputs = {"words": words, "mask": np.ones(ids.shape, np.int32)}
        vectors, *taps = self._session.run([self._encoder.vectors, *self._encoder.taps], inputs)
        return vectors[0], [tap[0] for tap in taps]
