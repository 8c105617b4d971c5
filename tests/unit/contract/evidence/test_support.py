"""How well a text supports an answer."""

import json
from importlib.resources import files

from contract.evidence import Features, SentenceIndex, answerable, features_of, rank, split_sentences, support
from contract.evidence.ranking import FEATURES

_TEXT = "The tenant pays 900 euros each month. The lease begins on 1 March 2024. It was signed by Maria Weber."


def supported(question: str, cosines: list[float] | None = None) -> Features:
    sentences = split_sentences(_TEXT)
    ranked = rank(question, _TEXT, sentences, cosines)
    return features_of(SentenceIndex(_TEXT, sentences), question, ranked, cosines)


def test_support_is_a_probability() -> None:
    for features in (
        supported("What does the tenant pay?"),
        supported(""),
        supported("Quokka?"),
        Features(*[99.0] * 9),
    ):
        assert 0 <= support(features) <= 1


def test_a_question_about_the_text_has_more_support_than_one_about_something_else() -> None:
    assert support(supported("When does the lease begin?")) > support(supported("When does the Olympic relay begin?"))


def test_with_vectors_a_close_sentence_supports_a_question_in_other_words() -> None:
    close, far = ([cosine, 0.05, 0.05] for cosine in (0.75, 0.1))
    assert support(supported("How expensive is it?", close)) > support(supported("How expensive is it?", far))


def test_a_question_that_shares_nothing_with_the_text_is_not_answerable() -> None:
    assert not answerable(supported("Quokka kangaroo wallaby?"))


def test_there_is_a_coefficient_for_each_feature() -> None:
    stored = json.loads(files("contract.evidence").joinpath("coefficients.json").read_bytes())
    for named in stored["ranking"].values():
        assert tuple(named) == FEATURES
    for how in ("words_only", "with_cosines"):
        assert set(stored["support"][how]) <= {"constant", *Features._fields}
