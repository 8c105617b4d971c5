"""Words in the form in which they are compared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.evidence.words import fold, term_of, terms_of, tokens_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("organizations", "organization"),
        ("running", "runs"),
        ("paid", "pays"),
        ("wrote", "writing"),
        ("children's", "child"),
        ("1,000", "1000"),
        ("24th", "24"),
        ("seven", "7"),
        ("Beyoncé", "BEYONCE"),
        ("Straße", "strasse"),
        ("книги", "книга"),
        ("ёлка", "елки"),
        ("والكتاب", "كتاب"),
        ("كِتاب", "الكتاب"),
    ],
)
def test_forms_of_a_word_are_the_same_term(one: str, other: str) -> None:
    assert terms_of(one) == terms_of(other) != []


def test_stop_words_are_left_out() -> None:
    assert terms_of("What is the name of it?") == ["name"]


def test_what_is_written_without_spaces_becomes_overlapping_pairs() -> None:
    assert terms_of("排名第六") == ["排名", "名第", "第六"]


def test_question_words_are_cut_out_of_chinese() -> None:
    assert terms_of("谁赢了") == ["赢"]


def test_thai_becomes_threes() -> None:
    assert terms_of("ภาษา") == ["ภาษ", "าษา"]


def test_a_word_of_any_length_is_kept_short() -> None:
    assert [len(term) for term in terms_of("x" * 1_000_000)] == [60]


def test_folding_keeps_vowels_of_india() -> None:
    assert fold("हिन्दी") == "हिन्दी"


@given(st.text(st.characters(max_codepoint=127)))
def test_the_shorter_way_through_ascii_finds_the_same_terms(text: str) -> None:
    words = [text[token.start : token.end][:60] for token in tokens_of(text)]
    assert terms_of(text) == [term for word in words if (term := term_of(word))]
