"""`docqa bench redaction`: how findings are scored, and that a peer that is not installed is reported as missing."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.__main__ import cli
from bench.commands import redaction
from bench.redaction import redactors, score, tables, texts
from bench.redaction.corpus import Case
from bench.redaction.redactors import OURS, Found, PeerError, Span

CASES = [Case("a: s3cret1 b", "s3cret1", "secret"), Case("nothing here", None, "prose")]


def scored(*spans: list[Span]) -> dict[str, object]:
    found: dict[str, object] = score.scored(CASES, {"peer": list(spans)})["peer"]
    return found


def test_a_secret_counts_as_found_when_none_of_its_characters_is_left_outside() -> None:
    for spans in ([Span(3, 10)], [Span(0, 12)], [Span(3, 6), Span(6, 10)], [Span(5, 10), Span(0, 7)]):
        assert scored(spans, [])["recall"] == {"secret": 1.0}
    for spans in ([], [Span(3, 9)], [Span(4, 10)], [Span(3, 5), Span(6, 10)]):
        assert scored(spans, [])["recall"] == {"secret": 0.0}


def test_what_is_found_where_nothing_is_counts_against_precision() -> None:
    found = scored([Span(3, 10), Span(11, 12)], [Span(0, 7)])
    assert found["precision"] == pytest.approx(1 / 3, abs=0.001)
    assert found["left_alone"] == {"prose": 0.0}
    assert found["precision_by_kind"] == {"secret": 0.5}


def test_a_kinds_name_is_right_only_for_the_whole_secret_of_that_kind() -> None:
    assert score.named(CASES, [[Span(3, 10, "secret")], []]) == {"secret": 1.0}
    assert score.named(CASES, [[Span(2, 10, "secret")], []]) == {"secret": 0.0}
    assert score.named(CASES, [[Span(3, 10, "secret")], [Span(0, 4, "secret")]]) == {"secret": 0.5}


def test_it_is_said_in_what_a_peer_is_better() -> None:
    ours, theirs = [[Span(3, 10)], [Span(0, 4)]], [[Span(3, 10)], []]
    worse = score.behind(score.scored(CASES, {OURS: ours, "peer": theirs}), "peer")
    assert worse == ["prose (0%, peer 100%)", "what is found is secret (50.0%, peer 100.0%)"]


async def test_a_peer_that_is_not_installed_is_said_to_be_missing() -> None:
    with pytest.raises(PeerError, match="`make redactors` installs it"):
        await redactors.theirs("betterleaks", Path(sys.executable), ["x"], {})


def test_texts_for_the_pace_have_100_kb_and_are_the_same_for_a_seed() -> None:
    for make in (texts.ordinary, texts.dense):
        assert {len(text.encode()) for text in make(3).values()} == {texts.BYTES}
        assert make(3) == make(3)


def test_the_command_stores_what_it_found_and_says_who_did_not_take_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(texts, "hostile", lambda seed: {"'key='": "key=" * 9})
    monkeypatch.setattr(texts, "ordinary", lambda seed: {"prose": "A weir."})
    monkeypatch.setattr(texts, "dense", lambda seed: {"names": "A password."})
    arguments = ["--cases", "2", "--peer", "betterleaks", "--python", sys.executable, "--out", str(tmp_path)]
    done = CliRunner().invoke(cli, ["redaction", *arguments])
    assert done.exit_code == 0, done.output
    assert "betterleaks takes part: it failed" in done.output
    stored = json.loads((tmp_path / "redaction.json").read_text())
    found = stored["figures"]["redaction"]
    assert found["scores"].keys() == {OURS}
    assert {promise["name"]: promise["held"] for promise in stored["promises"]}["betterleaks takes part"] is False
    assert "Secrets found" in (tmp_path / "redaction.html").read_text()
    assert [len(table.rows) for table in tables.tables(found)][1:] == [len(found["sorts"]), 2, 1]


def test_the_promise_about_each_kind_names_the_worst() -> None:
    found = {
        "scores": {OURS: {"recall": {"card": 0.9, "jwt": 1.0}, "left_alone": {"prose": 1.0}}},
        "named": {"card": 1.0, "jwt": 0.96},
    }
    assert [(promise.held, promise.words) for promise in redaction._kinds(found)] == [
        (False, "The least is 90.0% (card)."),
        (False, "The least is 96.0% (jwt)."),
        (True, "The least is 100.0% (prose)."),
    ]


def test_ours_are_counted_in_characters_not_in_bytes() -> None:
    assert redactors.ours(["é password: hunter2"], {}) == Found([[Span(12, 19, "password")]], {})
