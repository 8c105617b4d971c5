"""The embedders of a setting: one that reads every language, beside the bundled one a better and faster for English.

Their vectors never meet: a text has one of each that fits its language, and what counts is the mean of the cosines of
those that question and text both have.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from contract.embedding.embedder import DEFAULT, OFF, Embedder, Vectors
from contract.embedding.vectors import Packed, cosines
from contract.errors import SettingsError
from contract.evidence.language import is_english

_ENGLISH_SHARE: Final = 0.5
"""What English's cosine counts where both are there."""


class QueryVectors(NamedTuple):
    """Of one question."""

    whole: Vectors
    english: Vectors | None
    """None for a question in another language, and without an embedder for English."""


class TextVectors(NamedTuple):
    """A row for each text."""

    whole: Vectors | Packed
    english: Vectors | Packed | None
    """A row of zeros for each text in another language; None if all are."""

    def packed(self) -> "TextVectors":
        """The same with one byte a number: to be kept."""
        return TextVectors(_packed(self.whole), None if self.english is None else _packed(self.english))


class Embedders(NamedTuple):
    """What makes the vectors of questions and of passages."""

    whole: Embedder
    """Reads every language."""
    english: Embedder | None = None

    def embed_query(self, text: str) -> QueryVectors:
        """A question that does not show its language counts as English too."""
        reads_english = self.english is not None and is_english(text) is not False
        return QueryVectors(
            self.whole.embed_query(text), self.english.embed_query(text) if self.english and reads_english else None
        )

    def embed_passages(self, texts: Sequence[str]) -> TextVectors:
        """Raises EmbeddingError where a model can't be loaded."""
        return TextVectors(self.whole.embed_passages(texts), self.embed_english(texts))

    def embed_english(self, texts: Sequence[str]) -> Vectors | None:
        """Of those of one document's texts that are English: what is too short to show it is what most others are."""
        marks = english_among(texts) if self.english else []
        if self.english is None or not any(marks):
            return None
        vectors = np.zeros((len(texts), self.english.dimensions), np.float32)
        vectors[marks] = self.english.embed_passages([text for text, mark in zip(texts, marks, strict=True) if mark])
        return vectors


def english_among(texts: Iterable[str]) -> list[bool]:
    """For each of one document's texts whether it is English; one that does not show it is what most others are."""
    found = [is_english(text) for text in texts]
    mostly = found.count(True) > found.count(False)
    return [mostly if mark is None else mark for mark in found]


def similarities(query: QueryVectors, texts: TextVectors) -> list[float]:
    """How alike a question is to each of the texts: -1 to 1, in their order."""
    whole = np.array(cosines(query.whole, texts.whole), np.float32)
    if query.english is None or texts.english is None:
        alone: list[float] = whole.tolist()
        return alone
    english = np.array(cosines(query.english, texts.english), np.float32)
    rows = texts.english.scales if isinstance(texts.english, Packed) else texts.english.any(axis=1)
    both: list[float] = np.where(rows != 0, joined(whole, english), whole).tolist()
    return both


def _packed(vectors: Vectors | Packed) -> Packed:
    return vectors if isinstance(vectors, Packed) else Packed.of(vectors)


def joined(whole: Vectors, english: Vectors) -> Vectors:
    """The cosines of both kinds as one."""
    mean: Vectors = ((1 - _ENGLISH_SHARE) * whole + _ENGLISH_SHARE * english).astype(np.float32)
    return mean


def open_embedders(setting: str, threads: int) -> Embedders | None:
    """The embedders that DOCQA_EMBEDDING_MODEL names, or None for `off`; each computes on at most `threads` threads.

    Returns at once: a model is loaded by the first call for a vector, which raises EmbeddingError where that fails.
    Raises SettingsError for a name that is neither a model nor a file.
    """
    if setting == OFF:
        return None
    if setting == DEFAULT:
        from contract.embedding.english import ENGLISH
        from contract.embedding.integer import IntegerEmbedder
        from contract.embedding.multilingual import MULTILINGUAL

        return Embedders(IntegerEmbedder(MULTILINGUAL, threads), IntegerEmbedder(ENGLISH, threads))
    path = Path(setting).expanduser()
    if not path.is_file():
        raise SettingsError(
            f"DOCQA_EMBEDDING_MODEL: `{setting}` is no file; "
            f"give the path of a GGUF, `{DEFAULT}` for the bundled model, or `{OFF}`."
        )
    from contract.embedding.gguf import GgufEmbedder

    return Embedders(GgufEmbedder(path, threads))
