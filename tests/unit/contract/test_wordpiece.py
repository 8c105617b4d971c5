"""BERT's pieces of a text, as the published tokenizer cuts them."""

import pytest

from contract.embedding.minilm_file import MiniLMFile
from contract.embedding.wordpiece import WordPiece


@pytest.fixture(scope="module")
def cut() -> WordPiece:
    return WordPiece(MiniLMFile.bundled().pieces, window=16)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Who pays the rent?", [101, 2040, 12778, 1996, 9278, 1029, 102]),
        ("Café", [101, 7668, 102]),
        ("embeddings", [101, 7861, 8270, 4667, 2015, 102]),
        ("租金", [101, 100, 1964, 102]),
        ("", [101, 102]),
    ],
)
def test_the_pieces_of_the_published_tokenizer(cut: WordPiece, text: str, pieces: list[int]) -> None:
    assert cut.encode("", [text]) == [pieces]


def test_a_long_text_is_cut_at_the_window_and_keeps_its_end_mark(cut: WordPiece) -> None:
    (found,) = cut.encode("", ["rent " * 100])
    assert len(found) == 16
    assert (found[0], found[-1]) == (101, 102)


def test_what_looks_like_a_control_token_is_text(cut: WordPiece) -> None:
    (found,) = cut.encode("", ["[CLS] [SEP]"])
    assert found.count(101) == 1
    assert found.count(102) == 1


def test_a_word_without_end_is_one_unknown_piece(cut: WordPiece) -> None:
    assert cut.encode("", ["a" * 101]) == [[101, 100, 102]]
