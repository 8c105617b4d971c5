"""In which order documents get their vectors, and what is found while some are missing."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import apsw
import numpy as np
import pytest
from numpy.typing import NDArray

from contract.embedding import Embedders
from library.embedding import Embedding
from library.search.meanings import Meanings, names_of
from library.search.search import Search
from library.store import schema
from library.store.scope import Scope
from library.store.sqlite import FILE, SqliteStore
from library.store.vectors import ENGLISH, WHOLE
from tests.support.library_side import SPACE, stored

OWN = Scope(spaces=(SPACE,))
PETS = "No animal may be kept in the house, whatever it is."
HAUSTIERE = "Ein Tier darf nicht in der Wohnung gehalten werden."
MEANINGS = {"animal": 0, "dog": 0, "tier": 0, "hund": 0, "sea": 1, "meer": 1}


class Words:
    """An embedder that knows two meanings."""

    dimensions = 8

    def __init__(self, name: str) -> None:
        self.name = name
        self.made: list[str] = []

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.made += texts
        return np.stack([self.embed_query(text) for text in texts]) if texts else np.zeros((0, 8), np.float32)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        vector = np.full(self.dimensions, -0.05, np.float32)
        for word in text.lower().replace(".", " ").replace("?", " ").split():
            if word in MEANINGS:
                vector[2 * MEANINGS[word] : 2 * MEANINGS[word] + 2] += 1
        return (vector / np.linalg.norm(vector)).astype(np.float32)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path)
    yield opened
    opened.close()


def embedding_of(store: SqliteStore) -> tuple[Embedding, Embedders, Search]:
    embedders = Embedders(Words("whole-1"), Words("english-1"))
    meanings = Meanings.of(store, embedders)
    embedding = Embedding(store, embedders, meanings)
    return embedding, embedders, Search(store, meanings, embedders.embed_query)


def vectors_of(store: SqliteStore, document: str, embedders: Embedders) -> str:
    return store.statuses([document], names_of(embedders))[0].vectors


def test_english_is_found_by_meaning_before_the_multilingual_model_has_read_it(store: SqliteStore) -> None:
    document = stored(store, PETS, "house.txt")
    foreign = stored(store, HAUSTIERE, "haus.txt")
    embedding, embedders, search = embedding_of(store)
    embedding._embed_english()
    assert [vectors_of(store, one, embedders) for one in (document, foreign)] == ["ready", "waiting"]
    assert search.find("Is there a dog?", OWN, 5)[0].document == document
    assert not embedders.whole.made  # type: ignore[attr-defined]  # it is Words


def test_a_document_in_another_language_is_the_multilingual_models_alone(store: SqliteStore) -> None:
    document = stored(store, HAUSTIERE, "haus.txt")
    embedding, embedders, search = embedding_of(store)
    embedding.embed_all()
    assert vectors_of(store, document, embedders) == "ready"
    assert embedders.english is not None
    assert not embedders.english.made  # type: ignore[attr-defined]  # it is Words
    assert search.find("Is there a dog?", OWN, 5)[0].document == document


def test_a_question_in_another_language_finds_english_once_both_have_read_it(store: SqliteStore) -> None:
    document = stored(store, PETS, "house.txt")
    embedding, _, search = embedding_of(store)
    embedding._embed_english()
    assert not search.find("Darf ich einen Hund haben?", OWN, 5)
    embedding.embed_all()
    assert search.find("Darf ich einen Hund haben?", OWN, 5)[0].document == document


def test_versions_get_vectors_in_any_order_and_all_are_found(store: SqliteStore) -> None:
    english = stored(store, PETS, "house.txt")
    foreign = stored(store, HAUSTIERE, "haus.txt")
    embedding, embedders, search = embedding_of(store)
    embedding._embed_english()
    first, second = store.unembedded(WHOLE, embedders.whole.name, 5)
    # What no model has read yet comes first.
    assert (first.document, second.document) == (foreign, english)
    embedding.embed_all()
    assert {hit.document for hit in search.find("Hat der Mann ein Tier?", OWN, 5)} == {english, foreign}


def test_vectors_of_an_erased_document_are_gone_of_both_kinds(store: SqliteStore, tmp_path: Path) -> None:
    document = stored(store, PETS, "house.txt")
    embedding_of(store)[0].embed_all()
    store.add_tombstone(document, "http", "local")
    store.remove(document)
    connection = apsw.Connection(str(tmp_path / FILE))
    left = "SELECT (SELECT count(*) FROM vectors), (SELECT count(*) FROM english_vectors)"
    assert list(connection.execute(left)) == [(0, 0)]
    assert list(connection.execute("SELECT * FROM signs UNION SELECT * FROM english_signs")) == []
    connection.close()


def test_a_store_of_the_former_release_answers_by_its_vectors_and_gets_the_new_ones(tmp_path: Path) -> None:
    former = SqliteStore(tmp_path)
    document = stored(former, PETS, "house.txt")
    whole = Embedders(Words("whole-1"))
    Embedding(former, whole, Meanings.of(former, whole)).embed_all()
    former.close()
    to_version_3(tmp_path / FILE)
    store = SqliteStore(tmp_path)
    embedding, embedders, search = embedding_of(store)
    search._meaning.refresh()  # type: ignore[union-attr]  # it has one
    assert vectors_of(store, document, embedders) == "ready"
    assert search.find("Is there a dog?", OWN, 5)[0].document == document
    assert [one.document for one in store.unembedded(ENGLISH, "english-1", 5)] == [document]
    embedding.embed_all()
    assert not store.unembedded(ENGLISH, "english-1", 5)
    assert not embedders.whole.made  # type: ignore[attr-defined]  # it is Words
    store.close()


def to_version_3(path: Path) -> None:
    """Take back the step to version 4."""
    connection = apsw.Connection(str(path))
    for table in ("english_vectors", "english_signs"):
        connection.execute(f"DROP TABLE {table}")
    connection.execute("ALTER TABLE versions DROP COLUMN english_embedder")
    connection.pragma("user_version", 3)
    connection.close()
    assert schema.VERSION == 4
