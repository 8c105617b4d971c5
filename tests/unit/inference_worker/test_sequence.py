"""The text and the counts of one query in flight, without a model."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_worker.llama.sequence import AnswerText, Sequence


def shown(pieces: list[bytes], stops: list[str] | None = None) -> tuple[str, bool]:
    answer = AnswerText(stops or [])
    text = ""
    for piece in pieces:
        text += answer.feed(piece)
        if answer.stopped:
            break
    text += answer.finish()
    assert text == answer.text
    return text, answer.stopped


def a_sequence(prompt: int = 5, budget: int = 3, stops: tuple[str, ...] = ()) -> Sequence[None]:
    return Sequence(list(range(prompt)), budget, None, stops)


def test_an_emoji_split_over_tokens_comes_out_whole() -> None:
    answer = AnswerText()
    assert [answer.feed(bytes([byte])) for byte in "😀".encode()] == ["", "", "", "😀"]


def test_bytes_that_are_not_utf8_become_replacement_characters() -> None:
    assert shown([b"a", b"\xff", b"b"]) == ("a\ufffdb", False)


def test_a_character_cut_in_two_by_the_end_is_left_out() -> None:
    assert shown([b"ok ", "😀".encode()[:3]]) == ("ok ", False)


@given(text=st.text(), cuts=st.lists(st.integers(0, 200)))
def test_text_survives_any_cut_into_pieces(text: str, cuts: list[int]) -> None:
    raw = text.encode()
    places = sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})
    pieces = [raw[start:end] for start, end in itertools.pairwise(places)]
    assert shown(pieces) == (text, False)


def test_a_stop_string_ends_the_answer_and_is_not_shown() -> None:
    assert shown([b"one\n", b"two"], ["\n"]) == ("one", True)


def test_a_stop_string_split_over_tokens_is_never_shown_in_part() -> None:
    answer = AnswerText(["</answer>"])
    assert [answer.feed(piece) for piece in (b"42 </", b"answ", b"er> more")] == ["42 ", "", ""]
    assert answer.stopped


def test_what_only_began_like_a_stop_string_is_shown_as_soon_as_that_is_known() -> None:
    answer = AnswerText(["</answer>"])
    assert [answer.feed(piece) for piece in (b"a <", b"/p>", b" b")] == ["a ", "</p>", " b"]


def test_text_held_back_for_a_stop_string_is_shown_at_the_end() -> None:
    assert shown([b"1 < 2 and <"], ["</answer>"]) == ("1 < 2 and <", False)


def test_the_earliest_of_several_stop_strings_counts() -> None:
    assert shown([b"a, b. c"], [".", ","]) == ("a", True)


def test_a_stop_string_of_many_bytes_may_come_byte_by_byte() -> None:
    assert shown([bytes([byte]) for byte in "好。的".encode()], ["。"]) == ("好", True)


@given(text=st.text("ab<>/", max_size=40), stops=st.lists(st.text("ab<>/", min_size=1, max_size=4), max_size=3))
def test_streaming_shows_what_a_search_in_the_whole_text_would(text: str, stops: list[str]) -> None:
    found = [at for stop in stops if (at := text.find(stop)) >= 0]
    streamed, stopped = shown([character.encode() for character in text], stops)
    assert stopped == bool(found)
    if len(stops) <= 1:
        assert streamed == (text[: found[0]] if found else text)


def test_a_prompt_is_read_in_bounded_spans_and_only_the_last_wants_logits() -> None:
    sequence = a_sequence(prompt=5)
    sequence.enter(row=0, held=0)
    spans = []
    while sequence.unread:
        spans.append(sequence.next_span(2))
        sequence.advance(len(spans[-1].tokens))
    assert [(span.position, span.tokens) for span in spans] == [(0, [0, 1]), (2, [2, 3]), (4, [4])]
    assert [span.wants_logits for span in spans] == [False, False, True]


def test_a_sampled_token_is_what_the_model_reads_next() -> None:
    sequence = a_sequence(prompt=2)
    sequence.enter(row=0, held=0)
    sequence.advance(2)
    sequence.accept(77, b"x")
    assert sequence.is_decoding
    span = sequence.next_span(128)
    assert (span.position, span.tokens, span.wants_logits) == (2, [77], True)


def test_the_budget_ends_an_answer_with_length() -> None:
    sequence = a_sequence(budget=2)
    texts = [sequence.accept(1, b"a"), sequence.accept(2, b"b")]
    assert texts == ["a", "b"]
    assert (sequence.finish_reason, sequence.text, sequence.completion_tokens) == ("length", "ab", 2)


def test_the_budget_releases_what_was_held_back() -> None:
    sequence = a_sequence(budget=1, stops=("##",))
    assert sequence.accept(1, b"a#") == "a#"
    assert sequence.finish_reason == "length"


def test_the_models_own_end_is_no_token_of_the_answer() -> None:
    sequence = a_sequence(stops=("##",))
    sequence.accept(1, b"a#")
    assert sequence.accept_end() == "#"
    assert (sequence.finish_reason, sequence.completion_tokens) == ("stop", 1)


def test_a_stop_string_in_the_last_token_of_the_budget_counts_as_stop() -> None:
    sequence = a_sequence(budget=1, stops=(".",))
    sequence.accept(1, b"a.")
    assert (sequence.finish_reason, sequence.text) == ("stop", "a")


def test_what_the_row_holds_already_is_not_read_and_counts_as_cached() -> None:
    sequence = a_sequence(prompt=5)
    sequence.enter(row=2, held=3)
    assert (sequence.next_span(8).position, sequence.next_span(8).tokens, sequence.cached_tokens) == (3, [3, 4], 3)


def test_a_sequence_that_had_to_leave_reads_its_prompt_and_its_answer_again() -> None:
    sequence = a_sequence(prompt=2)
    sequence.enter(row=0, held=1)
    sequence.advance(1)
    sequence.accept(77, b"x")
    sequence.leave()
    sequence.enter(row=1, held=2)
    assert (sequence.next_span(8).tokens, sequence.cached_tokens, sequence.text) == ([77], 1, "x")


def test_times_are_taken_from_the_start_on(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([12.0, 15.0])
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    sequence = a_sequence(budget=2)
    sequence.admit(10.0)
    sequence.accept(1, b"a")
    sequence.accept(2, b"b")
    assert (sequence.prefill_ms, sequence.decode_ms) == (2000.0, 3000.0)
