"""An embedder of the operator's choice: a GGUF through llama.cpp."""

from pathlib import Path

import numpy as np
import pytest

from contract.embedding import EmbeddingError, open_embedders
from contract.embedding.gguf import Prefixes, prefixes_for
from inference_worker.model_files.locate import locate_model

TEXTS = ["The rent is due on the third day.", "", "Whales \0 breathe \ud800 air.", "word " * 2000]


@pytest.mark.model
def test_a_gguf_makes_vectors_of_length_one_in_the_texts_order() -> None:
    embedders = open_embedders(str(locate_model(None, None)), threads=1)
    assert embedders is not None
    embedder = embedders.whole
    assert embedders.english is None
    vectors = embedder.embed_passages(TEXTS)
    assert vectors.shape == (len(TEXTS), embedder.dimensions)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
    assert embedder.embed_query(TEXTS[0]) @ vectors[0] > 0.99
    assert embedder.name.startswith(locate_model(None, None).stem)


def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"not a model")
    embedders = open_embedders(str(tmp_path / "model.gguf"), threads=1)
    assert embedders is not None
    with pytest.raises(EmbeddingError, match="can't load"):
        embedders.embed_query("who?")


@pytest.mark.parametrize(
    ("name", "prefixes"),
    [
        ("multilingual-e5-base-q8_0.gguf", Prefixes("passage: ", "query: ")),
        ("bge-m3-Q8_0.gguf", Prefixes()),
        ("all-MiniLM-L6-v2-F16.gguf", Prefixes()),
        ("nomic-embed-text-v1.5.gguf", Prefixes("search_document: ", "search_query: ")),
    ],
)
def test_a_family_of_models_has_its_prefixes(name: str, prefixes: Prefixes) -> None:
    assert prefixes_for(Path(name)) == prefixes
