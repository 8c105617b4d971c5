"""What a search finds: by words, by meaning, the right document among many of one form, and never beyond its scope."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from contract.embedding import Embedders
from library.embedding import Embedding
from library.search import meaning as by_meaning
from library.search.meaning import pack, unpack
from library.search.meanings import Meanings
from library.search.search import Search
from library.store.scope import Scope
from library.store.sqlite import SqliteStore
from tests.support.library_side import SPACE, stored

OWN = Scope(spaces=(SPACE,))
SYNONYMS = {"rent": 0, "payment": 0, "lease": 0, "dog": 1, "pet": 1, "animal": 1, "roof": 2, "repair": 2}


class Synonyms:
    """An embedder that knows three meanings."""

    name = "synonyms-1"
    dimensions = 8

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([self.embed_query(text) for text in texts]) if texts else np.zeros((0, 8), np.float32)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        vector = np.full(self.dimensions, -0.05, np.float32)
        for word in text.lower().replace(".", " ").replace("?", " ").split():
            if word in SYNONYMS:
                vector[SYNONYMS[word] : SYNONYMS[word] + 2] += 1
        return (vector / np.linalg.norm(vector)).astype(np.float32)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path)
    yield opened
    opened.close()


def with_vectors(store: SqliteStore) -> Search:
    embedder = Synonyms()
    embedders = Embedders(embedder)
    meaning = Meanings.of(store, embedders)
    Embedding(store, embedders, meaning).embed_all()
    return Search(store, meaning, embedders.embed_query)


def lease(tenant: str, rent: int) -> str:
    return (
        f"# Lease\n\nThis lease is made between Riverside Ltd and {tenant}.\n\n# Rent\n\n"
        f"The monthly rent is {rent} euros. It is due on the third day of each month and is paid by transfer.\n\n"
        "# Pets\n\nPets need the landlord's consent, which is given in writing and may be taken back."
    )


def test_a_sentence_in_other_words_is_found_by_meaning_and_not_without(store: SqliteStore) -> None:
    document = stored(store, "No animal may be kept.\n\nOther things are said here.", "house.txt")
    stored(store, "The sea is deep and blue.", "sea.txt")
    assert not Search(store).find("dog?", OWN, 5)
    hit = with_vectors(store).find("dog?", OWN, 5)[0]
    assert hit.document == document
    assert hit.sentences[0].cosine is not None
    assert hit.text[: hit.sentences[0].end - hit.start] == "No animal may be kept."


def test_meaning_looks_into_its_scope_alone(store: SqliteStore) -> None:
    theirs = stored(store, "No animal may be kept.", "house.txt", space="http.other")
    search = with_vectors(store)
    assert not search.find("dog?", OWN, 5)
    assert search.find("dog?", Scope(documents=(theirs,)), 5)


def test_meaning_finds_all_of_a_scope_whose_documents_lie_between_others(store: SqliteStore) -> None:
    own = set()
    for number in range(4):
        own.add(stored(store, "No animal may be kept.", f"{number}.txt"))
        stored(store, "No animal may be kept.", f"{number}.txt", space="http.other")
    assert {hit.document for hit in with_vectors(store).find("dog?", OWN, 10)} == own


def test_hits_and_their_scores_say_nothing_of_others_documents(store: SqliteStore) -> None:
    """Neither whether a word is in them, nor how rare it is there: what one may not read does not exist."""
    for number in range(4):
        stored(store, lease(f"Tenant {number}", 700 + number), f"{number}.md")
    queries = ("Who pays the rent of the gossamer mill?", "gossamer", "When is the monthly rent due?")
    before = [Search(store).find(query, OWN, 5) for query in queries]
    for number in range(20):
        text = f"# Rent\n\nThe gossamer mill pays its monthly rent of {number} euros."
        stored(store, text, f"theirs-{number}.md", space="http.other")
    assert [Search(store).find(query, OWN, 5) for query in queries] == before
    theirs = Scope(spaces=("http.other",))
    assert Search(store).find("gossamer", theirs, 5)


def test_what_was_erased_is_not_found_by_meaning(store: SqliteStore) -> None:
    document = stored(store, "No animal may be kept.", "house.txt")
    search = with_vectors(store)
    store.add_tombstone(document, "http", "local")
    assert not search.find("dog?", OWN, 5)


def test_of_many_contracts_of_one_form_the_named_partys_comes_first_with_what_was_asked(store: SqliteStore) -> None:
    firsts, lasts = ("Anna", "Boris", "Clara", "David", "Elena"), ("Smith", "Jones", "Weber", "Novak", "Rossi")
    documents = {
        (first, last): stored(store, lease(f"{first} {last}", 500 + 10 * i + j), f"lease-{i}{j}.md")
        for i, first in enumerate(firsts)
        for j, last in enumerate(lasts)
    }
    for party in (("Clara", "Novak"), ("Elena", "Smith"), ("Anna", "Rossi")):
        hits = Search(store).find(f"What is the monthly rent of {party[0]} {party[1]}?", OWN, 5)
        assert {hit.document for hit in hits[:2]} == {documents[party]}
        assert any("monthly rent" in hit.text for hit in hits[:2])


def test_a_party_that_no_contract_names_is_absent_and_one_that_a_files_name_holds_is_not(store: SqliteStore) -> None:
    stored(store, lease("Clara Novak", 700), "one.md")
    stored(store, lease("Elena Rossi", 800), "Henrik Weber.md")
    stored(store, lease("Otto Lindqvist", 900), "three.md", space="http.other")
    search = Search(store)

    def is_absent(party: str) -> bool:
        question = f"What is the monthly rent of {party}?"
        return search.names_absent(question, OWN, search.find(question, OWN, 8))

    assert [is_absent(party) for party in ("Clara Novak", "Henrik Weber")] == [False, False]
    assert [is_absent(party) for party in ("Clara Rossi", "Otto Lindqvist")] == [True, True]


def test_every_hit_is_a_span_of_its_canonical_text(store: SqliteStore) -> None:
    document = stored(store, lease("Zoë Müller 😀", 700))
    for hit in Search(store).find("rent of Müller", OWN, 10):
        stretch = store.stretch(document, hit.version, 0, hit.start, hit.end, 10_000)
        assert stretch
        assert stretch.text == hit.text
        for sentence in hit.sentences:
            assert hit.start <= sentence.start < sentence.end <= hit.end


def test_packed_vectors_come_back_nearly_as_they_were() -> None:
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(20, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert np.abs(unpack(pack(1, vectors)) @ vectors.T - vectors @ vectors.T).max() < 0.01


def test_the_nearest_of_many_are_found_by_their_signs(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_meaning, "_LEAST_RESCORED", 8)
    text = "\n\n".join(f"# Part {number}\n\nThe roof needs a repair." for number in range(40))
    stored(store, text)
    wanted = stored(store, "No animal may be kept.", "house.txt")
    assert with_vectors(store).find("pet", OWN, 1)[0].document == wanted
