"""What a language model's answers are worth: the figures, and what is kept of them."""

import random
from pathlib import Path

import pytest

from bench.answers import tables
from bench.answers.asking import Asked, own_words
from bench.answers.choosing import looks, verdict
from bench.answers.datasets import Article, Passage, Question
from bench.answers.puts import Library, put_to
from bench.answers.written import figures, refusals
from bench.commands.models import _choice, _parted
from bench.report import plots

WHEN = Question("When does it begin?", ("1 March",))
MODEL = Path("a.gguf")
CONTEXT = "It begins on 1 March. It ends in May."
FIRST, SECOND = CONTEXT[:21], CONTEXT[22:]


def asked(
    answer: str, start: int = 0, *, question: Question = WHEN, support: float = 0.9, marked: bool = False
) -> Asked:
    citations = [{"start": start, "end": start + 21, "quote": FIRST}]
    return Asked(question, {"": CONTEXT}, answer, answer, citations, support, "model", marked, 20, 4, 0.5)


def test_right_is_what_holds_a_reference_and_citations_are_compared_with_the_text() -> None:
    found = figures([asked("On 1 March."), asked("In May.", start=3)], elapsed_s=4.0)
    assert found["right"]["share"] == 0.5
    assert found["citations_in_text"] == 0.5
    assert found["citation_precision"]["share"] == found["citation_recall"]["share"] == 1.0
    assert (found["answers_per_s"], found["tokens_read_mean"], found["tokens_written_mean"]) == (0.5, 20.0, 4.0)


def test_where_whole_sentences_are_named_right_is_what_rests_on_one_of_them() -> None:
    begins, ends = (Question("When?", (sentence,), (sentence,)) for sentence in (FIRST, SECOND))
    assert asked("In spring.", question=begins).is_right
    assert not asked("In spring.", question=ends).is_right


def test_answers_that_are_marked_are_counted_on_both_sides() -> None:
    known, unknown = [asked("On 1 March.")], [asked("No.", support=0.1, marked=True)]
    found = refusals(known, unknown)
    assert (found["marked"]["share"], found["marked_wrongly"]["share"], found["area"]) == (1.0, 0.0, 1.0)


def test_the_risk_falls_with_the_share_that_is_given() -> None:
    some = [asked("On 1 March.", support=0.9), asked("In May.", support=0.2)]
    found = figures(some, 1.0)
    assert found["risk_coverage"] == [[0.5, 0.0], [1.0, 0.5]]
    result = {"figures": {"models": {"rows": [{"model": "a", "style": "write", **found}]}}}
    assert "risk" in plots.all_of(result)


@pytest.mark.parametrize(
    ("written", "quoted", "style", "decided"),
    [
        ([True] * 40 + [False] * 10, [False] * 50, "write", True),
        ([True] * 10 + [False] * 40, [True] * 40 + [False] * 10, "quote", True),
        ([True, False] * 25, [True, False] * 25, "quote", False),
        ([True] * 26 + [False] * 24, [True] * 25 + [False] * 25, "write", False),
        ([], [], "quote", False),
    ],
)
def test_auto_is_the_style_that_is_right_more_often_and_quotes_when_both_are(
    written: list[bool], quoted: list[bool], style: str, *, decided: bool
) -> None:
    found = verdict(written, quoted)
    assert (found.style, found.is_decided) == (style, decided)
    assert found.low <= found.difference <= found.high


@pytest.mark.parametrize(("writes", "quotes"), [(0.35, 0.91), (0.62, 0.86), (0.85, 0.70)])
def test_a_clear_difference_is_found_and_by_few_questions(writes: float, quotes: float) -> None:
    better, ends = "write" if writes > quotes else "quote", []
    for seed in range(50):
        drawn = random.Random(seed)
        written = [drawn.random() < writes for _ in range(400)]
        quoted = [drawn.random() < quotes for _ in range(400)]
        found = (verdict(written[: part.stop], quoted[: part.stop]) for part in looks(400))
        decided = [one.style if one.is_decided else None for one in found]
        ends.append(next(((at, style) for at, style in enumerate(decided) if style), (4, None)))
    assert sum(style == better for _, style in ends) >= 49
    assert sorted(at for at, _ in ends)[25] <= 1


def test_more_is_asked_while_nothing_is_decided() -> None:
    assert [(part.start, part.stop) for part in looks(250)] == [(0, 50), (50, 100), (100, 200), (200, 250)]
    assert [(part.start, part.stop) for part in looks(7)] == [(0, 7)]


def test_what_is_kept_is_the_style_what_was_read_and_whether_it_is_certain() -> None:
    good, bad = [asked("On 1 March.")] * 50, [asked("In May.")] * 50
    found = verdict([one.is_right for one in good], [one.is_right for one in bad])
    choice = _choice(MODEL, good, bad, found, "200", "d", "now")
    assert (choice.style, choice.is_decided, choice.evidence_tokens) == ("write", True, 200)
    assert _choice(MODEL, good, bad, found, "whole", "d", "now").evidence_tokens is None


def test_what_a_model_reads_is_chosen_on_other_questions_than_its_style() -> None:
    article = Article("a", (Passage(CONTEXT, tuple(Question(f"When {n}?", ("May",)) for n in range(30))),))
    tried, put = _parted(put_to("article", [article]), 100, 0, is_quick=False)
    assert (len(tried), len(put)) == (10, 20)
    assert not {one.question for one in tried} & {one.question for one in put}


def test_a_quote_behind_a_written_answer_counts_for_the_sentences_alone() -> None:
    written = {"quote": "It has begun.", "answer_start": 0, "answer_end": 8}
    first = {"quote": "It begins on\n1 March.", "answer_start": 10, "answer_end": 31}
    second = {"quote": "It ends.", "answer_start": 32, "answer_end": 40}
    answer = "No idea.\n\nIt begins on 1 March.\nIt ends."
    content = {"answer": answer, "answer_from": "both", "citations": [written, first, second]}
    assert own_words(content) == "No idea."
    assert own_words({**content, "answer_from": "quote"}) == answer


def test_questions_are_put_to_each_scope_that_holds_their_answer_and_to_those_that_do_not() -> None:
    why = Question("Why?", ())
    articles = [Article("a", (Passage(CONTEXT, (WHEN, why)), Passage("More.", ()))), Article("b", ())]
    library = Library(["id-a", "id-b"], {"id-a": CONTEXT})
    sources = {
        scope: [(one.question, one.source) for one in put_to(scope, articles, library)]
        for scope in ("passage", "article", "document", "space", "no_answer")
    }
    assert sources == {
        "passage": [(WHEN, {"context": CONTEXT})],
        "article": [(WHEN, {"context": f"{CONTEXT}\n\nMore."})],
        "document": [(WHEN, {"documents": ["id-a"]})],
        "space": [(WHEN, {"documents": ["id-a", "id-b"]})],
        "no_answer": [(why, {"context": CONTEXT})],
    }
    assert put_to("other_article", articles)[0].texts[""] == ""


def test_the_tables_have_a_row_for_each_model_and_style() -> None:
    row = {"model": "a.gguf", "style": "write", "auto": "quote", **figures([asked("On 1 March.")], 1.0)}
    decided = {**row, "reads": "200", "difference": verdict([True] * 50, [False] * 50)._asdict()}
    words, cited = tables.models({"dataset": "d.json", "read": "article", "rows": [row, decided]})
    assert words.rows[0][0] == "a.gguf, write"
    assert words.rows[1][-1].startswith("quote (+96")
    for table in (words, cited):
        assert all(len(cells) == len(table.heads) for cells in table.rows)
