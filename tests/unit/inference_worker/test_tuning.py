"""Which candidate is chosen, with made-up figures in place of a model."""

import random
from collections.abc import Callable

import msgspec
import pytest

from contract.errors import EngineError
from inference_worker.llama.run_options import RunOptions
from inference_worker.model_files.choice import Candidate, Speed, Tried
from inference_worker.tuning.search import Field, Search, Space, TuningError
from inference_worker.tuning.trials import Measurement

GATE_KL = 0.02
KL = {"as-is": 0.0, "q4_0": 0.33, "q6_k": 0.014, "q8_0": 0.006}
SECONDS = {"as-is": 30.0, "q4_0": 10.0, "q6_k": 22.0, "q8_0": 20.0}
START = RunOptions(threads=2)
SPACE = Space(
    quantizations=list(SECONDS),
    start=START,
    changes_of_two=[{"flash_attention": True}],
    changes_of_one=[{"step_tokens": 128}, {"step_tokens": 512}],
)


class Bench:
    """Measures by a table. What an option does to the time is a factor, the same for all quantisations."""

    def __init__(self, seconds: dict[str, float], factor: Callable[[RunOptions], float] = lambda options: 1.0) -> None:
        self.runs: list[Candidate] = []
        self._seconds = seconds
        self._factor = factor

    def measure(self, candidate: Candidate) -> Measurement:
        self.runs.append(candidate)
        kl = KL[candidate.quantization]
        if kl > GATE_KL:
            return Measurement(kl=kl)
        seconds = self._seconds[candidate.quantization] * self._factor(candidate.options)
        return Measurement(kl=kl, speed=Speed(prefill_tokens_per_s=1.0, decode_tokens_per_s=1.0, mix_s=seconds))


class Noisy(Bench):
    """Every run is up to 8% faster or slower than the table says."""

    def __init__(self, seconds: dict[str, float], seed: int) -> None:
        random_ = random.Random(seed)
        super().__init__(seconds, lambda options: random_.uniform(0.92, 1.08))


def tuned(bench: Bench, *without: str) -> tuple[Candidate, list[Tried]]:
    names = [name for name in SPACE.quantizations if name not in without]
    field = Field(bench.measure, GATE_KL)
    best = Search(field, msgspec.structs.replace(SPACE, quantizations=names), lambda candidate, done: None).best()
    return best, field.table(best)


def test_the_fastest_that_says_the_same_is_chosen_and_the_fastest_of_all_is_not() -> None:
    best, table = tuned(Bench(SECONDS))
    assert best == Candidate(quantization="q8_0", options=START)
    verdicts = {tried.candidate.quantization: tried.verdict for tried in table}
    assert verdicts["q4_0"] == "too different"
    assert [tried.candidate for tried in table if tried.verdict == "chosen"] == [best]


def test_take_the_chosen_one_away_and_another_one_is_chosen() -> None:
    assert tuned(Bench(SECONDS), "q8_0")[0].quantization == "q6_k"
    assert tuned(Bench(SECONDS), "q8_0", "q6_k")[0].quantization == "as-is"


def test_an_option_is_kept_where_it_is_faster() -> None:
    best, _ = tuned(Bench(SECONDS, lambda options: 0.8 if options.flash_attention else 1.0))
    assert best.options == RunOptions(threads=2, flash_attention=True)
    best, _ = tuned(Bench(SECONDS, lambda options: 0.8 if options.step_tokens == 512 else 1.0))
    assert best.options == RunOptions(threads=2, step_tokens=512)


def test_an_option_that_wins_less_than_noise_is_left_alone() -> None:
    best, _ = tuned(Bench(SECONDS, lambda options: 0.97 if options.flash_attention else 1.0))
    assert best.options == START


def test_the_given_file_stays_where_another_one_wins_less_than_noise() -> None:
    assert tuned(Bench({**SECONDS, "as-is": 20.5}))[0].quantization == "as-is"


def test_among_equals_the_one_that_says_most_exactly_what_the_file_says_is_chosen() -> None:
    best, table = tuned(Bench({**SECONDS, "q6_k": 19.6}))
    assert best == Candidate(quantization="q8_0", options=START)
    assert {tried.verdict for tried in table if tried.candidate.quantization == "q6_k"} == {"equal"}


@pytest.mark.parametrize("q6_k_s", [19.5, 20.5, 24.0])
def test_noise_does_not_choose(q6_k_s: float) -> None:
    chosen = {tuned(Noisy({**SECONDS, "q6_k": q6_k_s}, seed))[0].quantization for seed in range(20)}
    assert chosen == {"q8_0"}


def test_a_neighbour_who_disturbs_one_run_does_not_decide() -> None:
    class Disturbed(Bench):
        def measure(self, candidate: Candidate) -> Measurement:
            self._factor = lambda options: 1.12 if len(self.runs) == 4 else 1.0
            return super().measure(candidate)

    bench = Disturbed(SECONDS)
    assert tuned(bench)[0].quantization == "q8_0"
    assert bench.runs[3].quantization == "q8_0"


def test_a_candidate_that_can_not_be_run_does_not_end_the_tuning() -> None:
    class Crashing(Bench):
        def measure(self, candidate: Candidate) -> Measurement:
            if candidate.quantization == "q8_0":
                raise EngineError("The process ended with status -6.")
            return super().measure(candidate)

    best, table = tuned(Crashing(SECONDS))
    assert best.quantization == "q6_k"
    [failed] = [tried for tried in table if tried.verdict == "failed"]
    assert (failed.candidate.quantization, failed.reason) == ("q8_0", "The process ended with status -6.")


def test_what_has_no_room_is_not_run_and_the_table_says_why() -> None:
    bench = Bench(SECONDS)
    field = Field(bench.measure, GATE_KL)
    field.refuse(Candidate(quantization="q8_0", options=START), "about 9,000 MiB; the disk has room for 12")
    best = Search(field, SPACE, lambda candidate, done: None).best()
    assert best.quantization == "q6_k"
    assert not [run for run in bench.runs if run.quantization == "q8_0"]
    [refused] = [tried for tried in field.table(best) if tried.verdict == "no room"]
    assert refused.reason == "about 9,000 MiB; the disk has room for 12"


def test_with_nothing_left_the_sentence_says_what_became_of_each() -> None:
    with pytest.raises(TuningError, match=r"^No candidate can be used \(q4_0: KL above 0\.02\)\.$"):
        tuned(Bench(SECONDS), "as-is", "q6_k", "q8_0")
