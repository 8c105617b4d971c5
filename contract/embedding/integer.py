"""Embedders whose models are computed in 8-bit integers by onnxruntime, whichever model it is."""

import collections
import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import msgspec
import numpy as np

from contract.embedding.bert import Activations, Encoder, integer_encoder
from contract.embedding.embedder import EmbeddingError, Vectors
from contract.embedding.memory import give_back
from contract.embedding.vectors import unit
from contract.embedding.weights import Weights

DIMENSIONS: Final = 384
"""Of each of these models."""
_TOKENS_AT_ONCE: Final = 384
"""Of a batch, padding included: larger ones leave a core's cache, smaller ones leave it idle."""
_TEXTS_AT_ONCE: Final = 2048
"""How many texts are sorted by length together: little padding is computed, in bounded memory."""


class Tokenizer(Protocol):
    """Cuts texts into the pieces of a model's vocabulary. Any thread may call it."""

    def encode(self, prefix: str, texts: Sequence[str]) -> list[list[int]]:
        """The pieces of each text with `prefix` before it, cut after the model's window."""


class Model(NamedTuple):
    """Which model, and how it is fed."""

    name: str
    """With the number of what is done to its vectors: another one means to embed anew."""
    passage: str
    query: str
    """What the model was trained to read before a text."""
    calibration: Path
    load: Callable[[], tuple[Weights, Tokenizer]]
    """Reads its files; raises EmbeddingError where one is missing or unknown."""


class Calibration(msgspec.Struct, frozen=True):
    """What was measured once, by `python -m bench.embedding.calibration`."""

    activations: list[Activations]
    """Before each linear layer."""
    centre: list[float]
    """The mean of many texts' vectors, which is taken off."""

    @classmethod
    def of(cls, model: Model) -> "Calibration":
        return msgspec.json.decode(model.calibration.read_bytes(), type=cls)


class IntegerEmbedder:
    """Reads a text as far as its model's window; a text without any pieces has a vector too.

    The model is loaded by the first call, in about a second. A batch is one thread's, and no thread waits by spinning.
    """

    dimensions = DIMENSIONS

    def __init__(self, model: Model, threads: int) -> None:
        self.model = model
        self.name = model.name
        self._threads = max(1, threads)
        self._loading = threading.Lock()

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """A row for each text, in their order. Raises EmbeddingError where the model can't be loaded."""
        vectors = np.empty((len(texts), DIMENSIONS), np.float32)
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            chunk = texts[start : start + _TEXTS_AT_ONCE]
            vectors[start : start + len(chunk)] = self._embed(self.model.passage, chunk)
        return vectors

    def embed_query(self, text: str) -> Vectors:
        """A question's vector. Raises EmbeddingError where the model can't be loaded."""
        vector: Vectors = self._embed(self.model.query, [text])[0]
        return vector

    def _embed(self, prefix: str, texts: Sequence[str]) -> Vectors:
        model = self._ready
        pieces = model.tokenizer.encode(prefix, texts)
        vectors = np.empty((len(texts), DIMENSIONS), np.float32)

        batches = collections.deque(_batches([len(text) for text in pieces]))
        several = len(batches) > 1

        def work() -> None:
            while batch := _next(batches):
                vectors[batch] = model.vectors([pieces[place] for place in batch])

        self._together(work, min(self._threads, len(batches)))
        if several:
            give_back()
        return vectors

    def _together(self, work: Callable[[], None], threads: int) -> None:
        """Do it on this thread, and on others beside it."""
        others = [self._pool.submit(work) for _ in range(threads - 1)]
        work()
        for other in others:
            other.result()

    @property
    def _ready(self) -> "_Loaded":
        with self._loading:
            return self._loaded

    @functools.cached_property
    def _loaded(self) -> "_Loaded":
        return _Loaded.of(self.model)

    @functools.cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._threads, thread_name_prefix="embedding")


class _Loaded:
    """The tokenizer, the encoder and the table of words, once loaded."""

    def __init__(self, weights: Weights, tokenizer: Tokenizer, encoder: Encoder, centre: Sequence[float]) -> None:
        self.tokenizer = tokenizer
        self._weights = weights
        self._session = _session(encoder.model)
        self._output = encoder.vectors
        self._centre = np.array(centre, np.float32)

    @classmethod
    def of(cls, model: Model) -> "_Loaded":
        try:
            (weights, tokenizer), calibration = model.load(), Calibration.of(model)
            loaded = cls(weights, tokenizer, integer_encoder(weights, calibration.activations), calibration.centre)
        except ModuleNotFoundError as missing:
            raise EmbeddingError(
                f"The embedder needs the package {missing.name}: install goblin-docqa[embedding], "
                "or set DOCQA_EMBEDDING_MODEL=off."
            ) from missing
        give_back()
        return loaded

    def vectors(self, pieces: Sequence[Sequence[int]]) -> Vectors:
        """Of one batch, on the calling thread."""
        longest = max(map(len, pieces))
        ids = np.zeros((len(pieces), longest), np.int64)
        mask = np.zeros(ids.shape, np.int32)
        for row, text in enumerate(pieces):
            ids[row, : len(text)] = text
            mask[row, : len(text)] = 1
        words = self._weights.words(ids) + self._weights.positions[:longest]
        (found,) = self._session.run([self._output], {"words": words, "mask": mask})
        return unit(found - self._centre)


def _session(model: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # The caller's thread computes: a pool of onnxruntime's own would spin while it waits.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # An arena keeps what the longest text ever took, for each thread.
    options.enable_cpu_mem_arena = False
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _next(batches: collections.deque[list[int]]) -> list[int]:
    """The next batch that no other thread took; nothing after the last one."""
    try:
        return batches.popleft()
    except IndexError:
        return []


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Places of texts of about the same length; the longest texts first, so that threads end at about the same time."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)
    start = 0
    while start < len(order):
        count = max(1, _TOKENS_AT_ONCE // lengths[order[start]])
        yield order[start : start + count]
        start += count
