"""`docqa bench answers` on small data sets."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bench.__main__ import cli
from bench.answers import measuring, tables
from bench.answers.cases import Read, on_all, on_articles, on_others, on_passages, words_only
from bench.answers.contracts import absent_parties, contracts
from bench.answers.datasets import Article, Passage, Question
from bench.answers.similarity import ByVectors
from contract.embedding import Embedders

_ARTICLES = [
    Article("Lease", (Passage("The rent is 900 euros. It rises every January.",
                              (Question("How high is the rent?", ("900 euros",)), Question("Who painted it?", ()))),)),
    Article("Pump", (Passage("The pump weighs 3 kilograms. Its hose is red.",
                             (Question("What does the pump weigh?", ("3 kilograms",)),)),)),
]  # fmt: skip


def test_figures_of_each_scope_and_of_refusals() -> None:
    found = measuring.measured(_ARTICLES, words_only)
    assert {scope: figures["questions"] for scope, figures in found["scopes"].items()} == {
        "passage": 2, "article": 2, "all": 2
    }  # fmt: skip
    for figures in found["scopes"].values():
        assert figures["first_sentence_right"]["share"] == figures["citations_in_text"]["share"] == 1.0
        assert figures["sentence_recall"]["1"] == figures["passage_recall"]["1"] == 1.0
    assert found["refusals"]["other_article"]["area"] == 1.0
    assert found["refusals"]["no_answer"]["without_answer"] == 1


def test_a_question_is_put_to_its_passage_its_article_all_articles_and_another_one() -> None:
    texts = [[case.read.text for case in put(_ARTICLES, words_only)] for put in (on_passages, on_articles, on_all)]
    assert texts[0] == texts[1] == [_ARTICLES[0].text, _ARTICLES[0].text, _ARTICLES[1].text]
    assert set(texts[2]) == {f"{_ARTICLES[0].text}\n\n{_ARTICLES[1].text}"}
    assert [case.read.text for case in on_others(_ARTICLES, words_only)] == [_ARTICLES[1].text, _ARTICLES[0].text]


def test_a_sample_keeps_the_texts() -> None:
    some = measuring.sampled(_ARTICLES, 1, 0)
    assert [article.text for article in some] == [article.text for article in _ARTICLES]
    assert sum(len(passage.questions) for article in some for passage in article.passages) == 1


def test_halves_are_apart() -> None:
    assert measuring.half(_ARTICLES, "fitted") == _ARTICLES[:1]
    assert measuring.half(_ARTICLES, "held-out") == _ARTICLES[1:]


def test_each_party_is_in_one_contract_and_the_absent_ones_in_none() -> None:
    some = contracts(seed=3, count=50)
    assert some == contracts(seed=3, count=50)
    names = [question.text for article in some for question in article.passages[0].questions]
    assert len(set(names)) == 200
    text = "\n".join(article.text for article in some)
    for question in absent_parties(seed=3, count=50):
        name = question.partition("agreement with ")[2].rstrip("?")
        assert not name or name not in text


def test_of_look_alikes_the_one_with_the_party_is_found() -> None:
    found = measuring.measured_contracts(words_only, seed=3, count=40, asked=20)
    assert found["scopes"]["contracts"]["sentence_recall"]["8"] >= 0.7


def test_each_text_is_embedded_once() -> None:
    embedded: list[str] = []

    class Lengths:
        name, dimensions = "lengths", 2

        def embed_passages(self, texts: Any) -> Any:
            import numpy as np

            embedded.extend(texts)
            return np.array([[len(text), 1.0] for text in texts], np.float32)

        def embed_query(self, text: str) -> Any:
            import numpy as np

            return np.array([1.0, 0.0], np.float32)

    similarity = ByVectors(Embedders(Lengths()))
    read = Read("One. Another one.")
    assert list(similarity("q", read.embedded)) == list(similarity("q", read.embedded)) == [4.0, 12.0]
    assert embedded == ["One.", "Another one."]


def test_the_command_measures_a_file_and_stores_the_figures(tmp_path: Path) -> None:
    path = tmp_path / "set.json"
    asked = [{"question": "How high is the rent?", "answers": [{"text": "900 euros", "answer_start": 12}]}]
    data = {"data": [{"paragraphs": [{"context": "The rent is 900 euros. It rises.", "qas": asked}]}]}
    path.write_text(json.dumps(data))
    words = ["answers", "--dataset", str(path), "--embedder", "off", "--out", str(tmp_path)]
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 0, result.output
    stored = json.loads((tmp_path / "answers-set.json").read_bytes())
    assert stored["figures"]["answers"]["scopes"]["article"]["first_sentence_right"]["share"] == 1.0
    for table in tables.tables(stored["figures"]["answers"]):
        assert {len(row) for row in table.rows} == {len(table.heads)}


@pytest.mark.parametrize("name", ["missing.json", "wrong.json"])
def test_a_file_that_is_none_is_refused_in_a_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "wrong.json").write_text("{}")
    result = CliRunner().invoke(cli, ["answers", "--dataset", str(tmp_path / name), "--embedder", "off"])
    assert result.exit_code == 1
    assert "Error: " in result.output
    assert "Traceback" not in result.output
