"""The embedder, the one of library and worker: texts become vectors whose cosine says how alike they mean.

Knows models and numbers; which texts are worth a vector, and what a cosine is worth, is for others to say.
"""

from contract.embedding.embedder import DEFAULT, OFF, Embedder, EmbeddingError, Vectors
from contract.embedding.embedders import Embedders, QueryVectors, TextVectors, open_embedders, similarities
from contract.embedding.vectors import Packed, cosines

__all__ = [
    "DEFAULT",
    "OFF",
    "Embedder",
    "Embedders",
    "EmbeddingError",
    "Packed",
    "QueryVectors",
    "TextVectors",
    "Vectors",
    "cosines",
    "open_embedders",
    "similarities",
]
