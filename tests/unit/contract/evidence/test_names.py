"""Names in questions, and whether any of several documents holds them."""

import pytest

from contract.evidence import SentenceIndex, answerable, features_of, split_sentences, support
from contract.evidence.names import name_pairs, names_someone_absent
from contract.evidence.words import terms_of

CONTRACTS = (
    "This agreement is made between Alder Mills Ltd and Cobalt Pumps Inc. The price is 9,000 euros.",
    "This agreement is made between Cobalt Mills BV and Alder Textiles SA. The price is 7,000 euros.",
)


def index_of(*documents: str) -> SentenceIndex:
    text = "\n\n".join(documents)
    sentences = split_sentences(text)
    first = len(documents[0])
    return SentenceIndex(text, sentences, [int(one.start > first) for one in sentences] if documents[1:] else None)


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("What does Alder Mills Ltd pay?", ["Alder Mills", "Mills Ltd"]),
        ("When did Müller & Söhne sign?", ["Müller Söhne"]),
        ("What do Tesla, Lane and Vail share?", []),
        ("Who is Germany's Chancellor?", []),
        ("What is the price?", []),
        ("", []),
    ],
)
def test_names_of_several_words_are_found_in_a_question(question: str, names: list[str]) -> None:
    assert name_pairs(question) == [tuple(terms_of(name)) for name in names]


def test_a_party_whose_words_stand_together_in_no_document_is_absent() -> None:
    index = index_of(*CONTRACTS)
    assert names_someone_absent(index, "What is the price in the agreement with Cobalt Textiles SA?")
    assert not names_someone_absent(index, "What is the price in the agreement with Alder Mills Ltd?")


def test_of_a_single_document_nothing_is_said() -> None:
    assert not names_someone_absent(index_of(CONTRACTS[0]), "What is the price for Cobalt Textiles SA?")


def test_a_question_about_an_absent_party_is_not_answerable_however_close_a_sentence_is() -> None:
    index = index_of(*CONTRACTS)
    cosines = [0.9] * len(index.sentences)
    for party, answers in (("Alder Mills Ltd", True), ("Alder Pumps Ltd", False)):
        question = f"What is the price in the agreement with {party}?"
        features = features_of(index, question, index.rank(question, cosines), cosines)
        assert answerable(features) is answers
        assert 0 < support(features) < 1
