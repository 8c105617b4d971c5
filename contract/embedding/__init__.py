"""The embedder, the one of library and worker: texts become vectors whose cosine says how alike they mean.

Knows models and numbers; which texts are worth a vector, and what a cosine is worth, is for others to say.
"""

from contract.embedding.embedder import DEFAULT, OFF, Embedder, EmbeddingError, Vectors, open_embedder
from contract.embedding.vectors import Packed, cosines

__all__ = ["DEFAULT", "OFF", "Embedder", "EmbeddingError", "Packed", "Vectors", "cosines", "open_embedder"]
