"""Two embedders as one: English is compared by both, everything else by the one that reads every language."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from contract.embedding import DEFAULT, Embedders, open_embedders, similarities

RENT = "The rent is due on the third day of every month."
NOTICE = "Either party may end the agreement with ninety days' notice."
MIETE = "Die Miete wird am dritten Tag jedes Monats gezahlt."


class Constant:
    """Makes one vector of all texts, and remembers them."""

    dimensions = 2

    def __init__(self, name: str, vector: tuple[float, float]) -> None:
        self.name = name
        self.made: list[str] = []
        self._vector = np.array(vector, np.float32)

    def embed_passages(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        self.made += texts
        return np.tile(self._vector, (len(texts), 1))

    def embed_query(self, text: str) -> npt.NDArray[np.float32]:
        return np.array([1.0, 0.0], np.float32)


@pytest.fixture
def pair() -> Embedders:
    return Embedders(Constant("whole", (0.6, 0.8)), Constant("english", (1.0, 0.0)))


def test_english_counts_by_the_mean_of_both_and_other_languages_by_one(pair: Embedders) -> None:
    texts = pair.embed_passages([RENT, MIETE])
    assert similarities(pair.embed_query("When is the rent due?"), texts) == pytest.approx([0.8, 0.6])
    assert similarities(pair.embed_query("Wann wird die Miete gezahlt?"), texts) == pytest.approx([0.6, 0.6])


def test_packed_vectors_compare_nearly_the_same(pair: Embedders) -> None:
    texts, query = pair.embed_passages([RENT, MIETE]), pair.embed_query("When is the rent due?")
    assert similarities(query, texts.packed()) == pytest.approx(similarities(query, texts), abs=0.01)


def test_the_model_for_english_reads_english_alone(pair: Embedders) -> None:
    pair.embed_passages([RENT, MIETE, "§ 4"])
    assert pair.english is not None
    assert pair.english.made == [RENT]  # type: ignore[attr-defined]  # it is a Constant
    assert pair.embed_passages([MIETE]).english is None


def test_what_does_not_show_its_language_is_what_most_of_its_document_is(pair: Embedders) -> None:
    pair.embed_passages([RENT, NOTICE, "Clara Novak", MIETE])
    assert pair.english is not None
    assert pair.english.made == [RENT, NOTICE, "Clara Novak"]  # type: ignore[attr-defined]  # it is a Constant


def test_a_query_of_a_few_words_counts_as_english_too(pair: Embedders) -> None:
    assert pair.embed_query("notice period").english is not None
    assert pair.embed_query("Wer zahlt die Miete?").english is None


def test_one_embedder_alone_compares_all() -> None:
    alone = Embedders(Constant("whole", (0.6, 0.8)))
    found = similarities(alone.embed_query("When is the rent due?"), alone.embed_passages([RENT, MIETE]))
    assert found == pytest.approx([0.6, 0.6])


def test_no_texts_have_no_similarities(pair: Embedders) -> None:
    assert similarities(pair.embed_query("When?"), pair.embed_passages([])) == []


@pytest.mark.parametrize("question", ["When does the tenant have to pay?", "Wann muss der Mieter zahlen?"])
def test_the_bundled_pair_finds_the_sentence_in_either_language(question: str) -> None:
    bundled = open_embedders(DEFAULT, threads=1)
    assert bundled is not None
    found = similarities(bundled.embed_query(question), bundled.embed_passages([RENT, NOTICE, "Whales breathe air."]))
    assert max(found) == found[0]
