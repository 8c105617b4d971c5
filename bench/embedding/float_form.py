"""A bundled model in float32, one text at a time: what the 8-bit form is made from, and measured against."""

import numpy as np
import onnxruntime

from contract.embedding.bert import float_encoder
from contract.embedding.embedder import Vectors
from contract.embedding.integer import Model


class FloatForm:
    """Slow and exact: for benchmarks."""

    def __init__(self, model: Model) -> None:
        self._weights, self._tokenizer = model.load()
        self._encoder = float_encoder(self._weights)
        self._session = onnxruntime.InferenceSession(self._encoder.model, providers=["CPUExecutionProvider"])

    def measure(self, prefix: str, text: str) -> tuple[Vectors, list[Vectors]]:
        """The vector as the model makes it, nothing taken off, and the tokens' states before each linear layer."""
        (pieces,) = self._tokenizer.encode(prefix, [text])
        ids = np.array([pieces], np.int64)
        words = self._weights.words(ids) + self._weights.positions[: len(pieces)]
        inputs = {"words": words, "mask": np.ones(ids.shape, np.int32)}
        vectors, *taps = self._session.run([self._encoder.vectors, *self._encoder.taps], inputs)
        return vectors[0], [tap[0] for tap in taps]
