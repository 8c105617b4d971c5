"""Measures of answers."""

import pytest

from bench.answers.measures import contains, f1, marked_at, risk_coverage_area, roc_area, share_of


@pytest.mark.parametrize(
    ("answer", "reference", "expected"),
    [
        ("It was in the 10th century.", "10th century", True),
        ("It cost 900 euros.", "90", False),
        ("France", "the France", True),
        ("308分だった", "308分", True),
        ("", "x", False),
    ],
)
def test_contained_word_for_word(answer: str, reference: str, *, expected: bool) -> None:
    assert contains(answer, [reference]) is expected


def test_f1_counts_common_words() -> None:
    assert f1("the red house", ["red house"]) == 1.0
    assert f1("red", ["blue"]) == 0.0
    assert f1("a big red house", ["red house"]) == pytest.approx(0.8)


def test_areas() -> None:
    assert roc_area([2, 3], [0, 1]) == 1.0
    assert roc_area([1], [1]) == 0.5
    assert risk_coverage_area([0.9, 0.8], [True, False]) == 0.25
    assert marked_at([1, 2, 3, 4], [0, 0, 2.5, 5], 0.25) == 0.5


def test_a_share_has_an_interval() -> None:
    share = share_of([True] * 9 + [False])
    assert share.low < share.share == 0.9 < share.high
    assert share_of([]).of == 0
