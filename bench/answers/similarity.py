"""Compares questions with sentences by the vectors of a setting's embedders; each text is embedded once."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from bench.answers.cases import Similarity, words_only

if TYPE_CHECKING:
    from contract.embedding import Embedder, Embedders, QueryVectors, TextVectors, Vectors

_OFF: Final = "off"


class _Kept:
    """Vectors by their text."""

    def __init__(self, embedder: "Embedder") -> None:
        self._embedder = embedder
        self._vectors: dict[str, Vectors] = {}

    @property
    def name(self) -> str:
        return self._embedder.name

    @property
    def dimensions(self) -> int:
        return self._embedder.dimensions

    def embed_passages(self, texts: Sequence[str]) -> "Vectors":
        new = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        self._vectors |= zip(new, self._embedder.embed_passages(new), strict=True)
        found = [self._vectors[text] for text in texts]
        return np.stack(found) if found else np.zeros((0, self.dimensions), np.float32)

    def embed_query(self, text: str) -> "Vectors":
        return self._embedder.embed_query(text)


class ByVectors:
    """Cosines of a question and all sentences of a text."""

    def __init__(self, embedders: "Embedders") -> None:
        english = _Kept(embedders.english) if embedders.english else None
        self._embedders = embedders._replace(whole=_Kept(embedders.whole), english=english)
        self._texts: dict[int, tuple[Sequence[str], TextVectors]] = {}
        self._questions: dict[str, QueryVectors] = {}

    def __call__(self, question: str, texts: Sequence[str]) -> Sequence[float]:
        from contract.embedding import similarities

        if question not in self._questions:
            self._questions[question] = self._embedders.embed_query(question)
        return similarities(self._questions[question], self._of(texts))

    def _of(self, texts: Sequence[str]) -> "TextVectors":
        # The list is kept with its vectors, so that its identity is not given to another.
        if id(texts) not in self._texts:
            self._texts[id(texts)] = (texts, self._embedders.embed_passages(texts))
        return self._texts[id(texts)][1]


def similarity_of(setting: str, threads: int) -> Similarity:
    """By the vectors of the embedders that DOCQA_EMBEDDING_MODEL would name, or by words alone for `off`."""
    if setting == _OFF:
        return words_only
    from contract.embedding import open_embedders

    embedders = open_embedders(setting, threads)
    return words_only if embedders is None else ByVectors(embedders)
