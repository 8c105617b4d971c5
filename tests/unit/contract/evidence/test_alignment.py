"""What an answer cites."""

from hypothesis import given, settings
from hypothesis import strategies as st

from contract.evidence import cite, split_sentences
from contract.evidence.alignment import covered_share

_TEXT = (
    "The tenant pays 900 euros each month. The lease begins on 1 March 2024. "
    "It was signed by Maria Weber. The landlord keeps the roof in order."
)


def cited(answer: str) -> list[str]:
    return [_TEXT[span.start : span.end] for span in cite(answer, _TEXT, split_sentences(_TEXT))]


def test_each_statement_cites_the_sentence_that_supports_it() -> None:
    assert cited("Maria Weber signed. The monthly sum that tenants pay is 900 euros.") == [
        "It was signed by Maria Weber.",
        "The tenant pays 900 euros each month.",
    ]


def test_each_span_names_the_statement_that_it_supports() -> None:
    answer = "Maria Weber signed. The tenant pays 900 euros each month."
    said = [answer[span.answer_start : span.answer_end] for span in cite(answer, _TEXT, split_sentences(_TEXT))]
    assert said == ["Maria Weber signed.", "The tenant pays 900 euros each month."]


def test_a_bare_name_cites_its_sentence() -> None:
    assert cited("Maria Weber") == ["It was signed by Maria Weber."]


def test_a_statement_over_two_sentences_cites_both() -> None:
    assert len(cited("The tenant pays 900 euros and the landlord keeps the roof.")) == 2


def test_what_the_text_does_not_hold_cites_nothing() -> None:
    assert cited("Kangaroos live in Australia.") == cited("") == cited("It is.") == []


def test_a_sentence_is_cited_once() -> None:
    assert len(cited("Maria Weber signed. Signed: Maria Weber.")) == 1


@settings(deadline=None)
@given(st.text(max_size=80), st.text(max_size=200))
def test_spans_lie_in_the_text(answer: str, text: str) -> None:
    said = answer + " " + text[:40]
    for span in cite(said, text, split_sentences(text)):
        assert 0 <= span.start < span.end <= len(text)
        assert 0 <= span.answer_start < span.answer_end <= len(said)
        assert 0 < span.score <= 1.001


def test_the_share_of_an_answer_that_spans_hold() -> None:
    assert covered_share("Maria Weber", _TEXT, [(0, len(_TEXT))]) == 1.0
    assert covered_share("Maria Weber", _TEXT, [(0, 20)]) == 0.0
    assert covered_share("", _TEXT, [(0, 20)]) == 0.0
