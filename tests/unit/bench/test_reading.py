"""`docqa bench readers`: the invented documents, and how a text is compared with its reference."""

import pytest

from bench.reading.corpus import Heading, Paragraph, document
from bench.reading.makers import MAKERS
from bench.reading.score import share_in_order, words_of


@pytest.mark.parametrize(
    ("found", "share"),
    [
        ("one two three four", 1.0),
        ("head one two 3 three four foot", 1.0),
        ("one two four", 0.75),
        ("three four one two", 0.5),
        ("", 0.0),
    ],
)
def test_the_share_is_of_the_references_words_in_their_order(found: str, share: float) -> None:
    assert share_in_order(["one", "two", "three", "four"], words_of(found)) == share


def test_nothing_is_all_of_nothing() -> None:
    assert share_in_order([], ["word"]) == 1.0


def test_words_are_letters_and_digits_in_lower_case() -> None:
    assert words_of("\u2022 The Straße, 12.5 (кв_м)!") == ["the", "straße", "12", "5", "кв", "м"]


def test_the_same_seed_makes_the_same_document() -> None:
    assert document(7, 5, script="russian") == document(7, 5, script="russian")
    assert document(7, 5) != document(8, 5)


def test_the_words_of_a_document_are_those_of_its_blocks_in_order() -> None:
    made = document(7, 3, tables=False)
    heading, paragraph = made.blocks[:2]

    assert isinstance(heading, Heading)
    assert isinstance(paragraph, Paragraph)
    assert made.words()[: len(heading.text.split())] == heading.text.split()


@pytest.mark.parametrize("name", ["html", "markdown", "rtf", "csv"])
def test_a_form_holds_the_documents_words(name: str) -> None:
    made = document(7, 3)
    content = MAKERS[name][1](made).decode()

    assert all(word.rstrip(".") in content for word in made.words())
