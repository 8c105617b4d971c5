"""Files of models that come in Python packages: found without importing the package, and checked."""

import hashlib
import importlib.util
from pathlib import Path

from contract.embedding.embedder import EmbeddingError


def installed(package: str, file: str, sha256: str) -> Path:
    """A package's file. Raises EmbeddingError where it is missing, or is not the one that was measured."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddingError(
            f"The embedder's model is missing: install the package {package} (goblin-docqa[embedding]), "
            "or set DOCQA_EMBEDDING_MODEL=off."
        )
    path = Path(spec.submodule_search_locations[0]) / file
    if not path.is_file() or _sha256(path) != sha256:
        raise EmbeddingError(
            f"{path} is not the embedder's model (SHA-256 {sha256[:12]}...): install {package} again, "
            "or set DOCQA_EMBEDDING_MODEL=off."
        )
    return path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
