"""What a language model's answers are worth: the figures, and what is kept of them."""

from pathlib import Path

from bench.answers import tables
from bench.answers.asking import Asked, figures, own_words, pairs
from bench.answers.datasets import Article, Passage, Question
from bench.commands.models import _choice

WHEN = Question("When does it begin?", ("1 March",))
MODEL = Path("a.gguf")
CONTEXT = "It begins on 1 March. It ends in May."


def asked(answer: str, start: int = 0) -> Asked:
    citations = [{"start": start, "end": start + 21, "quote": CONTEXT[:21]}]
    return Asked(WHEN, CONTEXT, answer, citations, 0.9, 20, 4, 0.5)


def test_right_is_what_holds_a_reference_and_citations_are_compared_with_the_text() -> None:
    found = figures([asked("On 1 March."), asked("In May.", start=3)], elapsed_s=4.0)
    assert found["right"]["share"] == 0.5
    assert found["citations_in_text"] == 0.5
    assert (found["answers_per_s"], found["tokens_read_mean"], found["tokens_written_mean"]) == (0.5, 20.0, 4.0)


def test_auto_is_the_style_that_is_right_more_often_and_quotes_when_both_are() -> None:
    good, bad = figures([asked("On 1 March.")], 1.0), figures([asked("In May.")], 1.0)
    assert _choice(MODEL, good, bad, "d", "now").style == "write"
    assert _choice(MODEL, good, good, "d", "now").style == "quote"


def test_a_quote_behind_a_written_answer_counts_for_the_sentences_alone() -> None:
    citations = [{"start": 0, "end": 21, "quote": "It begins on\n1 March."}]
    content = {"answer": "No idea.\n\nIt begins on 1 March.", "answer_from": "both", "citations": citations}
    assert own_words(content) == "No idea."
    assert own_words({**content, "answer_from": "quote"}) == content["answer"]


def test_only_questions_with_an_answer_are_put() -> None:
    article = Article("a", (Passage(CONTEXT, (WHEN, Question("Why?", ()))), Passage("More.", ())))
    assert pairs([article], whole=False) == [(WHEN, CONTEXT)]
    assert pairs([article], whole=True) == [(WHEN, f"{CONTEXT}\n\nMore.")]


def test_the_table_has_a_row_for_each_model_and_style() -> None:
    row = {"model": "a.gguf", "style": "write", "auto": "quote", **figures([asked("On 1 March.")], 1.0)}
    table = tables.models({"dataset": "d.json", "read": "article", "rows": [row]})
    assert table.rows[0][0] == "a.gguf, write"
    assert len(table.rows[0]) == len(table.heads)
