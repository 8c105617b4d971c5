"""An embedder of the operator's choice: any GGUF that llama.cpp makes vectors with."""

import functools
import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from contract.embedding.embedder import EmbeddingError, Vectors
from contract.embedding.vectors import unit

_WINDOW: Final = 512
"""Tokens of a text that are read: of a sentence always all."""


class Prefixes(NamedTuple):
    """What a family of models was trained to read before a text."""

    passage: str = ""
    query: str = ""


_FAMILIES: Final = {
    "e5": Prefixes("passage: ", "query: "),
    "nomic-embed": Prefixes("search_document: ", "search_query: "),
    "bge-": Prefixes("", "Represent this sentence for searching relevant passages: "),
    "mxbai-embed": Prefixes("", "Represent this sentence for searching relevant passages: "),
    "embeddinggemma": Prefixes("title: none | text: ", "task: search result | query: "),
}
"""Chosen by a part of the file's name; bge-m3, unlike the others of its family, needs none."""


def prefixes_for(path: Path) -> Prefixes:
    """By the file's name, as its publishers write it; none for a model that nothing is known of."""
    name = path.name.lower()
    if "bge-m3" in name:
        return Prefixes()
    return next((prefixes for part, prefixes in _FAMILIES.items() if part in name), Prefixes())


class GgufEmbedder:
    """Reads the first 512 tokens of a text. Calls from several threads wait for each other: there is one context."""

    def __init__(self, path: Path, threads: int) -> None:
        self._path = path
        self._threads = max(1, threads)
        self._prefixes = prefixes_for(path)
        self._lock = threading.Lock()

    @functools.cached_property
    def name(self) -> str:
        """The file's name and the begin of its SHA-256."""
        with self._path.open("rb") as file:
            return f"{self._path.stem}-{hashlib.file_digest(file, 'sha256').hexdigest()[:12]}"

    @property
    def dimensions(self) -> int:
        """Loads the model; raises EmbeddingError where that fails."""
        with self._lock:
            return int(self._model.n_embd())

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """A row for each text, in their order. Raises EmbeddingError where the model can't be loaded."""
        return self._embed([self._prefixes.passage + text for text in texts])

    def embed_query(self, text: str) -> Vectors:
        """A question's vector. Raises EmbeddingError where the model can't be loaded."""
        vector: Vectors = self._embed([self._prefixes.query + text])[0]
        return vector

    def _embed(self, texts: Sequence[str]) -> Vectors:
        cleaned = [text.encode("utf-8", "replace").decode().replace("\0", " ") or " " for text in texts]
        with self._lock:
            model = self._model
            order = sorted(range(len(cleaned)), key=lambda place: len(cleaned[place]))
            vectors = np.zeros((len(cleaned), int(model.n_embd())), np.float32)
            if order:
                vectors[order] = model.embed([cleaned[place] for place in order], normalize=False, truncate=True)
        return unit(vectors)

    @functools.cached_property
    def _model(self) -> Any:
        try:
            import llama_cpp
        except ModuleNotFoundError as missing:
            raise EmbeddingError(
                f"DOCQA_EMBEDDING_MODEL: {self._path.name} needs llama.cpp, which is not installed (yet)."
            ) from missing
        load = functools.partial(
            llama_cpp.Llama, str(self._path), embedding=True, n_ctx=_WINDOW, n_batch=_WINDOW, n_ubatch=_WINDOW,
            n_threads=self._threads, n_threads_batch=self._threads, verbose=False,
        )  # fmt: skip
        try:
            model = load()
            if int(model.pooling_type()) == llama_cpp.LLAMA_POOLING_TYPE_NONE:
                model = load(pooling_type=llama_cpp.LLAMA_POOLING_TYPE_MEAN)
        except (ValueError, RuntimeError) as error:
            raise EmbeddingError(f"DOCQA_EMBEDDING_MODEL: llama.cpp can't load {self._path}.") from error
        return model
