"""Lines of Arabic and Hebrew in the order in which they are read."""

from library.readers.pdf.right_to_left import Word, in_reading_order, with_ligatures_mended

SHALOM, OLAM, TOV = "\u05e9\u05dc\u05d5\u05dd", "\u05e2\u05d5\u05dc\u05dd", "\u05d8\u05d5\u05d1"


def line(*placed: tuple[str, float]) -> list[Word]:
    """Words with their left edges; each is 20 points wide."""
    return [Word(text, index, (left, 0.0, left + 20.0, 10.0)) for index, (text, left) in enumerate(placed)]


def read(*placed: tuple[str, float]) -> list[str]:
    return [word.text for word in in_reading_order(line(*placed))]


def test_words_are_read_from_right_to_left_however_they_came() -> None:
    assert read((OLAM, 50), (SHALOM, 100), (TOV, 0)) == [SHALOM, OLAM, TOV]


def test_words_of_other_scripts_keep_their_own_direction_among_them() -> None:
    assert read((SHALOM, 150), ("New", 50), ("York", 100), (OLAM, 0)) == [SHALOM, "New", "York", OLAM]


def test_a_line_in_which_others_prevail_stays_as_it_came() -> None:
    assert read(("one", 0), (SHALOM, 50), ("two", 100)) == ["one", SHALOM, "two"]


def test_a_mark_that_slipped_goes_back_to_its_word() -> None:
    fathatan = "\u064b"
    word = "\u0645\u062a\u0635\u062f\u0631\u0627"

    assert read((fathatan, 105), (SHALOM, 150), (word, 100)) == [SHALOM, word + fathatan]


def test_a_lam_that_slipped_behind_its_alef_goes_back_where_both_are_one_sign() -> None:
    alef, lam, thal = "\u0627", "\u0644", "\u062b"
    came = f"{alef}{lam}{thal}{alef}{lam}{thal}"

    assert with_ligatures_mended(came, lambda index: index == 3) == f"{alef}{lam}{thal}{lam}{alef}{thal}"
