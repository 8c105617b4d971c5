"""The comparison with peers is fair, draws alike for all, and judges by what was measured."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bench.__main__ import cli
from bench.commands import page
from bench.commands.peers import name_of
from bench.harness import dataset
from bench.harness.errors import BenchError
from bench.peers import questions, spread
from bench.peers.dialect import Docqa, Events, OpenAi, as_chat
from bench.peers.line_up import AS_IS, LLAMA_CPP_SERVER, LLAMA_SERVER, OURS
from bench.peers.quality import contains, difference, says_no
from bench.peers.questions import Reply, Task
from bench.peers.registry import CONTESTS, DEFAULT
from bench.peers.same_answers import different
from bench.peers.speed import CONTESTS as SPEED
from bench.peers.step_share import read
from bench.report import comparison, html, plots
from inference_worker.llama.chat_template import PromptTemplate

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def played(per_s: list[float], prompt_tokens: int = 900, unanswered: int = 0) -> dict[str, Any]:
    """What is stored of one system's rounds."""
    row = {"tokens_per_s": 50, "p50_ms": 900, "p99_ms": 1800, "prompt_tokens": prompt_tokens, "cached_tokens": 9}
    row |= {"unanswered": unanswered}
    return {
        "answers_per_s": spread.over(per_s),
        **{kind: spread.over([value] * len(per_s)) for kind, value in row.items()},
    }


def shared_documents(ours: float, **systems: Any) -> dict[str, Any]:
    """A stored contest in which we were so many times as fast."""
    return {
        "systems": {OURS: played([2 * ours]), LLAMA_SERVER: played([2.0]), **systems},
        "ratios": {OURS: spread.over([ours])},
        "left_out": {AS_IS: "did not start."},
    }


def stored(contest: str, found: dict[str, Any]) -> dict[str, Any]:
    """A result with one contest."""
    return {
        "benchmark": "peers", "measured": "2026-01-01T00:00:00Z", "command": "docqa bench peers", "promises": [],
        "figures": {"rounds": 1, "contests": {contest: found}},
        "machine": {
            "processor": "p", "cores": 2, "kernel": "k", "python": "3",
            "packages": {"goblin-docqa": "1", "xllamacpp (of the peers)": "7"},
        },
    }  # fmt: skip


def test_peers_get_the_words_that_our_worker_gives_to_the_model() -> None:
    task = Task("Who was it?", "It was Ada.\nOr {not}.", 8)
    prompt = PromptTemplate(CHATML).render(task.query, task.context)
    system, user = as_chat(task)["messages"]
    assert prompt.before == f"<|im_start|>system\n{system['content']}<|im_end|>\n<|im_start|>user\n"
    assert prompt.user == user["content"]


def test_all_are_asked_greedily_for_the_same_number_of_tokens() -> None:
    task = Task("Who?", "Ada.", 8)
    theirs = json.loads(OpenAi().request(task, events=False).partition(b"\r\n\r\n")[2])
    ours = json.loads(Docqa().request(task, events=False).partition(b"\r\n\r\n")[2])
    assert theirs["temperature"] == ours.get("temperature", 0.0) == 0
    assert theirs["max_tokens"] == ours["max_tokens"] == 8


def test_events_are_put_together_wherever_the_chunks_were_cut() -> None:
    stream = b': accepted 1\r\n\r\nevent: token\r\ndata: {"text":"a"}\r\n\r\ndata: {"b":1}\n\ndata: [DONE]\n\n'
    for cut in range(len(stream)):
        events = Events()
        assert [*events.feed(stream[:cut]), *events.feed(stream[cut:])] == [("token", {"text": "a"}), ("", {"b": 1})]


def test_a_piece_is_text_and_not_the_role_that_a_peer_begins_with() -> None:
    assert OpenAi().piece("", {"choices": [{"delta": {"role": "assistant", "content": None}}]}) == ""
    assert OpenAi().piece("", {"choices": []}) == ""
    assert OpenAi().piece("", {"choices": [{"delta": {"content": " it"}}]}) == " it"
    assert Docqa().piece("token", {"index": 0, "text": "it"}) == "it"
    assert Docqa().piece("restart", {"attempt": 2}) == ""


def test_a_round_asks_every_system_the_same_and_another_round_something_else() -> None:
    articles = dataset.articles(None)

    def drawn(number: int) -> list[Task]:
        return questions.questions(articles, 2, 2, 8, random.Random(f"0/{number}"))

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    assert len({task.context for task in drawn(1)}) == 2


def test_pairs_are_two_questions_on_one_document() -> None:
    pairs = questions.pairs(dataset.articles(None), 3, 8, random.Random(0))
    assert len(pairs) == len({first.context for first, _ in pairs}) == 3
    assert all(first.context == second.context and first.query != second.query for first, second in pairs)


def test_a_misplaced_question_is_never_put_to_its_own_document() -> None:
    articles = dataset.articles(None)
    own = {asked.question: article.text for article in articles for asked in article.asked}
    assert all(own[task.query] != task.context for task in questions.misplaced(articles, 8, random.Random(0)))


def test_a_long_document_has_the_length_asked_for_however_short_the_articles_are() -> None:
    assert len(questions.long_document(dataset.articles(None), 6000, random.Random(0))) == 25_800


def test_a_file_that_is_not_in_the_format_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "odd.json").write_text('{"data": [{}]}')
    with pytest.raises(BenchError, match="is not in SQuAD's format"):
        dataset.articles(tmp_path / "odd.json")
    done = CliRunner().invoke(cli, ["peers", "--dataset", str(tmp_path / "none.json")])
    assert done.exit_code == 1
    assert done.output.endswith("No such file or directory.\n")


def test_the_bars_are_those_of_the_median_round_and_a_system_left_out_misses_its_own() -> None:
    shared = next(contest for contest in SPEED if contest.name == "shared-documents")
    for ratio, held in ((2.0, True), (1.99, False)):
        verdict = {promise.name: promise for promise in shared.verdict(shared_documents(ratio))}
        bar = verdict["shared-documents: docqa at least 2 times llama-server"]
        assert (bar.held, bar.is_bar) == (held, True)
        assert not verdict["shared-documents: docqa as-is takes part"].held


def test_different_prompts_make_the_comparison_unfair() -> None:
    shared = SPEED[0]
    odd = shared_documents(2.0, **{LLAMA_SERVER: played([2.0], prompt_tokens=950)})
    assert not next(promise for promise in shared.verdict(odd) if "same prompts" in promise.name).held
    cut_off = shared_documents(2.0, **{LLAMA_CPP_SERVER: played([0.3], prompt_tokens=400, unanswered=20)})
    assert next(promise for promise in shared.verdict(cut_off) if "same prompts" in promise.name).held
    assert "llama_cpp.server left 20 unanswered" in shared.table(cut_off).note


def test_the_difference_of_paired_answers_has_the_interval_of_agresti_and_min() -> None:
    ours = [True] * 60 + [False] * 40
    theirs = [True] * 50 + [False] * 10 + [True] * 5 + [False] * 35
    found = difference(ours, theirs)
    assert found.points == 5.0
    # By hand: (10.5 - 5.5) / 102, and 1.96 * sqrt(16 - 25 / 102) / 102 on either side.
    assert (found.low, found.high) == pytest.approx((-2.73, 12.53), abs=0.01)


def test_a_reference_is_found_whatever_the_case_and_the_spaces() -> None:
    assert contains("It was  the\nWeir.", "the weir")
    assert not contains("It was the we", "the weir")


def test_an_answer_that_denies_is_told_from_one_that_quotes() -> None:
    assert says_no("The document does not mention the weir.")
    assert says_no("It doesn't say.")
    assert not says_no("The weir was cleared on Tuesday.")


def test_two_answers_part_at_a_character() -> None:
    parted = different(Task("Who?", "", 8), Reply(200, 1.0, "the boy"), Reply(200, 1.0, "the boat"))
    assert (parted["at_char"], parted["together"]) == (6, "the boy")
    assert different(Task("Who?", "", 8), Reply(200, 1.0, "the"), Reply(200, 1.0, "the end"))["at_char"] == 3


def test_a_run_of_named_workloads_does_not_take_the_place_of_the_whole_one() -> None:
    assert name_of(tuple(DEFAULT)) == "peers"
    assert name_of(("quality",)) == "peers-quality"


def test_tables_are_rendered_for_the_page_and_the_report_and_drawn() -> None:
    result = stored("shared-documents", shared_documents(2.5))
    section = page.render([result])
    assert "| docqa | 5.00 | 2.50 | 50 | 900 | 1800 | 900 | 9 |" in section
    assert "docqa as-is is left out: did not start." in section
    assert "The peers: xllamacpp 7." in section
    assert plots.all_of(result).keys() == {"peers", "ratios"}
    assert "<td>2.50</td>" in html.render(result, {})


def test_the_llama_server_that_is_compiled_here_has_a_column_and_targets_of_its_own() -> None:
    speed = CONTESTS["shared-documents"]
    found = shared_documents(4.5) | {"native_ratios": {OURS: spread.over([3.9]), AS_IS: spread.over([2.3])}}
    held = {promise.name: promise.held for promise in speed.verdict(found)}
    assert held["shared-documents: docqa at least 4 times llama-server-native"] is False
    assert held["shared-documents: docqa as-is at least 2.2 times llama-server-native"] is True
    table = speed.table(found)
    assert table.heads[2:4] == ("÷ native", "÷ llama-server")
    assert table.rows[0][2:4] == ("3.90", "4.50")


def test_a_models_words_are_text_on_the_page() -> None:
    found = {
        "questions": 2, "cached_tokens": {"together": 3, "alone": 1}, "prompt_tokens": 9,
        "different": [
            {
                "question": "a|b?", "at_char": 0, "together": "<i>\n*x*", "alone": "y",
                "fork": {"common_tokens": 7, "gap_nats": 0.0214, "behind_nats": 0.0214},
            },
        ],
    }  # fmt: skip
    assert r"| a\|b? | 7 | …\<i\> \*x\*… | …y… | 0.021 |" in page.render([stored("same-answers", found)])
    assert [promise.held for promise in CONTESTS["same-answers"].verdict(found)] == [False, True]


def test_a_difference_that_is_no_near_tie_misses_its_bar() -> None:
    rows = [{"fork": {"common_tokens": 1, "gap_nats": gap, "behind_nats": gap}} for gap in (0.02, 0.3)]
    [_, ties] = CONTESTS["same-answers"].verdict({"questions": 100, "different": rows})
    assert (ties.held, ties.is_bar) == (False, True)
    assert "1 of 2 are within 0.1 nats" in ties.words
    assert "0.300 behind" in ties.words


def test_every_contest_says_what_it_lacks_when_we_could_not_take_part() -> None:
    lacking = {"systems": {}, "ratios": {}, "differences": {}, "ours": None, "left_out": {OURS: "did not start."}}
    sizes = {"jobs": 2, "settled_after": 1, "questions": 1, "burst": 1}
    for name in set(CONTESTS) - {"wrong-document", "same-answers"}:
        assert not all(promise.held for promise in CONTESTS[name].verdict({**lacking, **sizes}))
        assert "did not start." in CONTESTS[name].table({**lacking, **sizes}).note


def test_no_result_but_one_of_peers_has_tables() -> None:
    assert comparison.tables({"elapsed_s": 1.0}) == []


def test_pythons_share_of_the_steps_is_what_the_worker_counted_between_two_looks() -> None:
    text = b"# TYPE x counter\ndocqa_step_seconds_total %s\ndocqa_step_library_seconds_total %s\n"
    before, after = read(text % (b"2.0", b"1.0")), read(text % (b"1.2e+01", b"10.9"))
    assert after.own_share_since(before) == pytest.approx(0.01)
    assert before.own_share_since(before) == 0
    with pytest.raises(BenchError, match="does not count its steps"):
        read(b"docqa_slots 8.0\n")


def test_pythons_share_has_a_bar_where_it_was_measured() -> None:
    shared = next(contest for contest in SPEED if contest.name == "shared-documents")
    for share, held in ((0.02, True), (0.021, False)):
        found = shared_documents(4.8)
        found["systems"][OURS]["own_share"] = spread.over([share])
        [bar] = [promise for promise in shared.verdict(found) if "Python" in promise.name]
        assert (bar.held, bar.is_bar) == (held, True)
    assert not [promise for promise in shared.verdict(shared_documents(4.8)) if "Python" in promise.name]
