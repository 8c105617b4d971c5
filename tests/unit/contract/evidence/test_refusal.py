"""A model's "the document does not say" in its many wordings and languages, and answers that only look like it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.evidence import is_refusal

_LINES = Path(__file__).with_name("refusals.txt").read_text(encoding="utf-8").splitlines()[1:]
REFUSALS, ANSWERS = _LINES[: _LINES.index("---")], _LINES[_LINES.index("---") + 1 :]


@pytest.mark.parametrize("answer", REFUSALS)
def test_refusals_are_recognised(answer: str) -> None:
    assert is_refusal(answer)


@pytest.mark.parametrize("answer", ANSWERS)
def test_answers_are_no_refusals(answer: str) -> None:
    assert not is_refusal(answer)


@given(
    st.sampled_from(REFUSALS), st.sampled_from(["", " ", "\n", "**", "- "]), st.sampled_from(["", "\n\n", " ", "**"])
)
def test_marks_and_blanks_around_a_refusal_change_nothing(refusal: str, before: str, after: str) -> None:
    assert is_refusal(f"{before}{refusal}{after}")


@given(st.sampled_from(REFUSALS))
def test_what_follows_a_refusal_as_its_reason_changes_nothing(refusal: str) -> None:
    assert is_refusal(f"{refusal}\nThe text is about other things.")


@given(st.text(max_size=700))
def test_any_text_is_judged(answer: str) -> None:
    assert is_refusal(answer) in (True, False)


def test_nothing_is_no_refusal() -> None:
    assert not is_refusal("")
