"""What an embedder is, and what its setting may say."""

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from contract.errors import DocQAError

Vectors = npt.NDArray[np.float32]
"""Of shape (texts, dimensions), or (dimensions,) for one; of length 1 each."""

DEFAULT: Final = "auto"
"""The value of DOCQA_EMBEDDING_MODEL that means the bundled models."""
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
