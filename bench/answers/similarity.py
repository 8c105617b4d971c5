"""Compares questions with sentences by an embedder's vectors; each text is embedded once."""

from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from bench.answers.cases import Similarity, words_only

_OFF: Final = "off"


class _Embedder(Protocol):
    """What is used of `contract.embedding.Embedder`."""

    def embed_passages(self, texts: Sequence[str]) -> npt.NDArray[np.float32]: ...

    def embed_query(self, text: str) -> npt.NDArray[np.float32]: ...


class ByVectors:
    """Cosines of a question and all sentences of a text."""

    def __init__(self, embedder: _Embedder) -> None:
        self._embedder = embedder
        self._texts: dict[int, tuple[Sequence[str], Any]] = {}
        self._vectors: dict[str, Any] = {}
        self._questions: dict[str, Any] = {}

    def __call__(self, question: str, texts: Sequence[str]) -> Sequence[float]:
        if question not in self._questions:
            self._questions[question] = self._embedder.embed_query(question)
        cosines: list[float] = (self._of(texts) @ self._questions[question]).tolist()
        return cosines

    def _of(self, texts: Sequence[str]) -> Any:
        # The list is kept with its vectors, so that its identity is not given to another.
        if id(texts) not in self._texts:
            new = [text for text in dict.fromkeys(texts) if text not in self._vectors]
            if new:
                self._vectors |= zip(new, self._embedder.embed_passages(new), strict=True)
            rows = [self._vectors[text] for text in texts]
            self._texts[id(texts)] = (texts, np.stack(rows) if rows else np.zeros((0, 1), np.float32))
        return self._texts[id(texts)][1]


def similarity_of(setting: str, threads: int) -> Similarity:
    """By the vectors of the embedder that DOCQA_EMBEDDING_MODEL would name, or by words alone for `off`."""
    if setting == _OFF:
        return words_only
    from contract.embedding import open_embedder

    embedder = open_embedder(setting, threads)
    return words_only if embedder is None else ByVectors(embedder)
