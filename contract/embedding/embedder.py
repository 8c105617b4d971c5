"""What an embedder is, and which one a setting names."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from contract.errors import DocQAError, SettingsError

Vectors = npt.NDArray[np.float32]
"""Of shape (texts, dimensions), or (dimensions,) for one; of length 1 each."""

DEFAULT: Final = "auto"
"""The value of DOCQA_EMBEDDING_MODEL that means the bundled model, multilingual-e5-small."""
OFF: Final = "off"


class EmbeddingError(DocQAError):
    """The embedder can't be used."""


class Embedder(Protocol):
    """Makes vectors. Any thread may call it, several at a time; texts may be empty, endless or not Unicode at all."""

    @property
    def name(self) -> str:
        """Vectors of different names don't compare: keep it beside them."""

    @property
    def dimensions(self) -> int:
        """Numbers in a vector. Raises EmbeddingError where that needs a model that can't be loaded."""

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """A row for each text, in their order: sentences of documents. What exceeds the model's window is not read."""

    def embed_query(self, text: str) -> Vectors:
        """The vector of a question, to be compared with those of passages."""


def open_embedder(setting: str, threads: int) -> Embedder | None:
    """The embedder that DOCQA_EMBEDDING_MODEL names, or None for `off`; it computes on at most `threads` threads.

    Returns at once: the model is loaded by the first call for a vector, which raises EmbeddingError where that fails.
    Raises SettingsError for a name that is neither a model nor a file.
    """
    if setting == OFF:
        return None
    if setting == DEFAULT:
        from contract.embedding.multilingual import MultilingualEmbedder

        return MultilingualEmbedder(threads)
    path = Path(setting).expanduser()
    if not path.is_file():
        raise SettingsError(
            f"DOCQA_EMBEDDING_MODEL: `{setting}` is no file; "
            f"give the path of a GGUF, `{DEFAULT}` for the bundled model, or `{OFF}`."
        )
    from contract.embedding.gguf import GgufEmbedder

    return GgufEmbedder(path, threads)
