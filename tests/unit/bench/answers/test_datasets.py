"""Data sets of questions."""

import json
from pathlib import Path

import pytest

from bench.answers.datasets import OTHER_WORDS, read, without_answer
from bench.harness.errors import BenchError
from contract.evidence import split_sentences
from contract.evidence.words import terms_of


def test_squad_without_an_answer_has_no_references(tmp_path: Path) -> None:
    asked = [
        {"question": "Who?", "answers": [{"text": "Ann", "answer_start": 0}, {"text": "Ann", "answer_start": 0}]},
        {"question": "Why?", "is_impossible": True, "answers": []},
    ]
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"data": [{"title": "T", "paragraphs": [{"context": "Ann left.", "qas": asked}]}]}))
    (article,) = read(path)
    assert [question.references for question in article.passages[0].questions] == [("Ann",), ()]


def test_clapnq_names_whole_sentences(tmp_path: Path) -> None:
    row: dict[str, object] = {"id": "1", "question": "q", "title": "t", "passage": "A. B.", "sentences": ["A.", "B."]}
    row |= {"gold_sentences": [1], "answer": "B"}
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(row) + "\n" + json.dumps({**row, "gold_sentences": [], "answer": None}) + "\n")
    first, second = read(path)
    assert first.passages[0].questions[0].sentences == ("B.",)
    assert second.passages[0].questions[0].references == ()


@pytest.mark.parametrize("content", ["", "{}", '{"data": [{}]}', "[1]", "\x00"])
def test_another_format_is_refused_in_a_sentence(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(BenchError, match="SQuAD"):
        read(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="Can't read"):
        read(tmp_path / "none.json")


def test_no_own_question_shares_a_word_with_the_sentence_that_answers_it() -> None:
    articles = read(OTHER_WORDS)
    questions = [question for article in articles for question in article.passages[0].questions]
    assert len(questions) >= 150
    for article in articles:
        text = article.text
        sentences = {text[one.start : one.end] for one in split_sentences(text)}
        for question in article.passages[0].questions:
            assert question.references[0] in sentences
            assert not set(terms_of(question.text)) & set(terms_of(question.references[0])), question


def test_each_own_document_has_questions_that_it_does_not_answer() -> None:
    articles = without_answer()
    assert [article.text for article in articles] == [article.text for article in read(OTHER_WORDS)]
    assert all(len(article.passages[0].questions) >= 5 for article in articles)
