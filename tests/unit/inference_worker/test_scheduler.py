"""The schedule, tried on a fake KV cache: no slot is lost, no sequence starves, none reads another's cells."""

import itertools
import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference_worker.llama.prefix_cache import common_length
from inference_worker.llama.scheduler import STALL_S, Scheduler
from inference_worker.llama.sequence import Sequence

ROWS, ROW_TOKENS, STEP_TOKENS, CACHE_BYTES = 3, 600, 64, 4 * 700
SYSTEM = [1, 2, 3, 4, 5]
S_PER_TOKEN = 0.002


class Lists:
    """The cells of a model: which tokens each row holds."""

    def __init__(self) -> None:
        self.rows: list[list[int]] = [[] for _ in range(ROWS)]
        self.saves = 0

    def save(self, row: int) -> np.ndarray:
        self.saves += 1
        return np.array(self.rows[row], np.int32)

    def restore(self, row: int, saved: np.ndarray, length: int) -> bool:
        assert length <= saved.size
        self.rows[row] = saved.tolist()[:length]
        return True

    def truncate(self, row: int, length: int) -> bool:
        assert length <= len(self.rows[row])
        del self.rows[row][length:]
        return True

    def forget(self, row: int) -> None:
        self.rows[row] = []


class Whole(Lists):
    """As with a recurrent model: nothing can be dropped from a row's end."""

    def restore(self, row: int, saved: np.ndarray, length: int) -> bool:
        assert length == saved.size
        return super().restore(row, saved, length)

    def truncate(self, row: int, length: int) -> bool:
        assert length == len(self.rows[row])
        return True


class Bench:
    """A scheduler with its memory and a clock of its own; runs steps and hands out tokens."""

    def __init__(self, cache_bytes: int = CACHE_BYTES, can_cut: bool = True) -> None:
        self.memory = Lists() if can_cut else Whole()
        self.scheduler: Scheduler[None, np.ndarray] = Scheduler(
            self.memory, ROWS, ROW_TOKENS, STEP_TOKENS, cache_bytes, can_cut=can_cut
        )
        self.scheduler.pin(SYSTEM, np.array(SYSTEM, np.int32))
        self.scheduler.pace.note(STEP_TOKENS, STEP_TOKENS * S_PER_TOKEN)
        self.now_s = 100.0
        self.first_token_s: dict[Sequence[None], float] = {}
        self.token_times_s: dict[Sequence[None], list[float]] = {}
        self.steps: list[list[tuple[int, int]]] = []

    def ask(self, document: list[int], question: list[int], owner: str = "http.a", budget: int = 4) -> Sequence[None]:
        prompt = SYSTEM + document + question
        sequence = Sequence(
            prompt, budget, None, owner=owner, document=str(hash(tuple(document))), document_tokens=5 + len(document)
        )
        self.scheduler.add(sequence)
        return sequence

    def step(self) -> bool:
        """One step, with everything that must always hold; False when there was nothing to do."""
        batch = self.scheduler.schedule(self.now_s)
        assert bool(batch) == bool(self.scheduler.running)
        tokens = 0
        for sequence, span in batch:
            held = self.memory.rows[span.row]
            assert span.position == len(held), "positions must be consecutive"
            held.extend(span.tokens)
            tokens += len(span.tokens)
            assert held == sequence.tokens[: len(held)], "a row holds another's tokens"
            assert len(held) <= ROW_TOKENS
        assert len({span.row for _, span in batch}) == len(batch), "two sequences in one row"
        assert [span.row for _, span in batch] == sorted(span.row for _, span in batch)
        assert tokens <= STEP_TOKENS + ROWS
        assert self.scheduler._rows.cache.used_bytes <= CACHE_BYTES
        began_s, self.now_s = self.now_s, self.now_s + 0.01 + tokens * S_PER_TOKEN
        self.scheduler.advance(batch, began_s, self.now_s)
        self.steps.append([(span.row, len(span.tokens)) for _, span in batch])
        for sequence, span in batch:
            if span.wants_logits:
                self._take_token(sequence)
        return bool(batch)

    def run(self, most_steps: int = 5000) -> None:
        for _ in range(most_steps):
            if not self.step():
                return
        raise AssertionError("it never ends")

    def _take_token(self, sequence: Sequence[None]) -> None:
        self.first_token_s.setdefault(sequence, self.now_s)
        self.token_times_s.setdefault(sequence, []).append(self.now_s)
        sequence.accept(90 + sequence.completion_tokens, b"x")
        if sequence.finish_reason:
            self.scheduler.remove(sequence)


def text(seed: int, length: int) -> list[int]:
    return random.Random(seed).choices(range(10, 90), k=length)


arrivals = st.lists(
    st.tuples(
        st.integers(0, 4),  # steps before it arrives
        st.integers(0, 5),  # which document
        st.sampled_from(["http.a", "http.b"]),
        st.integers(1, 40),  # tokens of the question
        st.integers(1, 12),  # tokens of the answer
        st.one_of(st.none(), st.integers(0, 15)),  # cancelled after so many steps
    ),
    max_size=25,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(arrivals=arrivals, seed=st.integers(0, 3), can_cut=st.booleans())
def test_whatever_arrives_and_leaves_everybody_is_answered_and_no_row_is_lost(
    arrivals: list[tuple[int, int, str, int, int, int | None]], seed: int, can_cut: bool
) -> None:
    bench = Bench(can_cut=can_cut)
    documents = [text(seed * 10 + number, 40 + 90 * number) for number in range(6)]
    asked: list[Sequence[None]] = []
    leaving: list[tuple[int, Sequence[None]]] = []
    gone: set[Sequence[None]] = set()
    number = 0

    def step() -> None:
        nonlocal number
        for at, sequence in leaving:
            if at == number and not sequence.finish_reason:
                bench.scheduler.remove(sequence)
                gone.add(sequence)
        bench.step()
        number += 1

    for pause, document, owner, question, answer, cancelled in arrivals:
        for _ in range(pause):
            step()
        asked.append(bench.ask(documents[document], text(question, question), owner, answer))
        if cancelled is not None:
            leaving.append((number + cancelled, asked[-1]))
    for _ in range(16):
        step()
    bench.run()
    for sequence in asked:
        if sequence not in gone:
            assert sequence.finish_reason == "length"
            assert len(sequence.tokens) == sequence.most_tokens
    assert not bench.scheduler.running
    assert not bench.scheduler._waiting
    assert len(bench.scheduler._rows.idle) == ROWS
    # A prefix was shared only if the same owner had it before, or if it is the system prompt.
    for sequence in asked:
        own = [other for other in asked if other is not sequence and other.owner == sequence.owner]
        most = max((common_length(sequence.tokens, other.tokens) for other in own), default=0)
        assert sequence.cached_tokens <= max(most, len(SYSTEM))


def test_questions_that_arrive_together_read_their_document_once() -> None:
    bench = Bench()
    document = text(1, 300)
    sequences = [bench.ask(document, text(number, 10)) for number in range(3)]
    bench.run()
    assert [sequence.cached_tokens for sequence in sequences] == [5, 305, 305]
    assert sum(tokens for step in bench.steps for _, tokens in step) < 300 + 3 * 10 + 3 * 4 + 10


def test_a_document_that_can_not_be_shortened_is_read_once_up_to_its_end() -> None:
    bench, document = Bench(can_cut=False), text(1, 300)
    together = [bench.ask(document, text(seed, 20)) for seed in range(2, 5)]
    bench.run()
    later = bench.ask(document, text(5, 20))
    other = bench.ask(text(6, 300), text(7, 20), owner="http.b")
    bench.run()
    whole = len(SYSTEM) + len(document)
    assert [sequence.cached_tokens for sequence in [*together, later]] == [len(SYSTEM), whole, whole, whole]
    assert other.cached_tokens == len(SYSTEM)


def test_the_followers_of_a_query_that_is_cancelled_go_on_from_where_it_was() -> None:
    bench = Bench()
    document = text(1, 300)
    leader, follower = bench.ask(document, [7]), bench.ask(document, [8])
    bench.step()
    bench.step()
    read = leader.seen
    assert follower.row is None
    bench.scheduler.remove(leader)
    bench.run()
    assert follower.finish_reason == "length"
    assert follower.cached_tokens == read


def test_a_question_on_a_document_of_before_reads_the_question_only() -> None:
    bench = Bench()
    document = text(1, 300)
    bench.ask(document, text(2, 10))
    bench.run()
    for number in range(4):
        bench.ask(text(10 + number, 70), [9])
        bench.run()
    again = bench.ask(document, text(3, 10))
    bench.run()
    assert again.cached_tokens == 305


def test_queries_that_run_together_have_rows_that_follow_one_another() -> None:
    bench = Bench()
    for number in range(ROWS):
        bench.ask(text(number, 70), [9])
        bench.run()
    # The rows of these two, the first and the third one, were used the longest ago.
    for number in (0, 2):
        bench.scheduler._rows._rows[number].used = number - 10
    together = [bench.ask(text(20 + number, 70), [9]) for number in range(2)]
    bench.step()
    rows = sorted(sequence.row for sequence in together if sequence.row is not None)
    assert rows == [0, 1]


def test_another_client_shares_the_system_prompt_and_nothing_else() -> None:
    bench = Bench()
    document = text(1, 300)
    bench.ask(document, [7], "http.a")
    bench.run()
    theirs = bench.ask(document, [7], "http.b")
    bench.run()
    assert theirs.cached_tokens == len(SYSTEM)


def test_a_follower_of_another_client_does_not_wait() -> None:
    bench = Bench()
    document = text(1, 300)
    bench.ask(document, [7], "http.a")
    theirs = bench.ask(document, [7], "http.b")
    bench.step()
    assert theirs.row is not None


def test_the_same_prompt_again_leaves_one_token_to_read() -> None:
    bench = Bench()
    first = bench.ask(text(1, 100), [7])
    bench.run()
    second = bench.ask(text(1, 100), [7])
    bench.run()
    assert second.cached_tokens == first.prompt_tokens - 1


def test_while_a_long_text_is_read_answers_go_on_within_the_stall() -> None:
    bench = Bench()
    talker = bench.ask(text(1, 10), [7], budget=60)
    bench.step()
    bench.ask(text(2, 500), [8], "http.b")
    bench.run()
    times_s = bench.token_times_s[talker]
    gaps_s = [later - earlier for earlier, later in itertools.pairwise(times_s)]
    assert max(gaps_s) <= STALL_S + (STEP_TOKENS * S_PER_TOKEN + 0.01) + 0.02


def test_a_short_question_does_not_wait_for_a_long_text_before_it() -> None:
    bench = Bench()
    long = bench.ask(text(1, 550), [7], "http.b")
    short = bench.ask(text(2, 10), [8])
    bench.run()
    assert bench.first_token_s[short] < bench.first_token_s[long]


def test_a_long_text_is_not_passed_for_ever() -> None:
    bench = Bench()
    long = bench.ask(text(1, 550), [7], "http.b")
    for number in range(400):
        if len(bench.scheduler.running) + len(bench.scheduler._waiting) < ROWS:
            bench.ask(text(number, 50), [8], budget=1)
        bench.step()
        if long.finish_reason:
            return
    raise AssertionError("the long text starved")


def test_a_slow_model_still_reads_between_two_rounds_of_answers() -> None:
    bench = Bench()
    for _ in range(20):
        bench.scheduler.pace.note(STEP_TOKENS, 1000.0)
    bench.ask(text(1, 10), [7], budget=40)
    bench.step()
    bench.step()
    bench.ask(text(2, 60), [8])
    bench.run()


def test_for_want_of_room_idle_rows_go_first_and_then_the_youngest_who_starts_again() -> None:
    bench = Bench()
    bench.ask(text(9, 100), [7], budget=1)
    bench.run()
    old, young = bench.ask(text(1, 40), [7], budget=8), bench.ask(text(2, 40), [8], budget=8)
    for _ in range(4):
        bench.step()
    assert bench.scheduler.relieve()
    assert (old.row, young.row) == (1, 2)
    assert bench.scheduler.relieve()
    assert (old.row, young.row) == (1, None)
    said = young.completion_tokens
    assert not bench.scheduler.relieve(), "the last one stays"
    bench.run()
    assert old.finish_reason == young.finish_reason == "length"
    assert young.completion_tokens == 8 > said


def test_what_can_never_fit_is_refused() -> None:
    bench = Bench()
    with pytest.raises(ValueError, match="do not fit"):
        bench.ask(text(1, ROW_TOKENS), [7])


def test_what_is_forgotten_is_read_anew_and_a_row_in_use_goes_with_its_answer() -> None:
    bench = Bench()
    document = text(1, 200)
    bench.ask(document, text(2, 8))
    bench.run()
    running = bench.ask(text(3, 200), text(4, 8), budget=20)
    while running.completion_tokens < 2:
        bench.step()
    bench.scheduler.forget()
    assert bench.scheduler.documents - {""} == {running.document}
    assert len(bench.scheduler._rows.cache) == 0
    beside = bench.ask(text(3, 200), text(5, 8))
    bench.run()
    assert beside.cached_tokens <= len(SYSTEM)
    again = bench.ask(document, text(2, 8))
    bench.run()
    assert again.cached_tokens <= len(SYSTEM)
