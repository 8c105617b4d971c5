"""When a difference between two ways of running a model counts."""

import random

from inference_worker.tuning.noise import LEAST_RUNS, MOST_RUNS, compare


def drawn(seconds: float, runs: int, spread: float, seed: int) -> list[float]:
    random_ = random.Random(seed)
    return [seconds * (1 + random_.uniform(-spread, spread)) for _ in range(runs)]


def test_few_runs_say_nothing() -> None:
    assert compare([20.0] * (LEAST_RUNS - 1), [10.0] * (LEAST_RUNS - 1)) == "unclear"


def test_a_clear_difference_is_seen_after_the_least_runs() -> None:
    assert compare([12.0] * LEAST_RUNS, [10.0] * LEAST_RUNS) == "slower"


def test_a_difference_below_the_margin_is_none_however_certain_it_is() -> None:
    assert compare([10.3] * LEAST_RUNS, [10.0] * LEAST_RUNS) == "equal"


def test_what_hides_in_noise_is_measured_again_and_called_equal_in_the_end() -> None:
    slow = [10.0, 14.0, 9.0, 13.0, 10.0, 14.0, 9.0, 13.0]
    fast = [10.0] * MOST_RUNS
    assert compare(slow[:LEAST_RUNS], fast[:LEAST_RUNS]) == "unclear"
    assert compare(slow, fast) == "equal"


def test_a_neighbour_that_slows_down_both_alike_hides_nothing() -> None:
    disturbed = [1.0, 3.0, 1.5, 2.0]
    assert compare([12 * by for by in disturbed], [10 * by for by in disturbed]) == "slower"


def test_half_as_slow_again_is_found_in_noise_of_a_tenth() -> None:
    for seed in range(50):
        slow, fast = drawn(15.0, MOST_RUNS, 0.1, seed), drawn(10.0, MOST_RUNS, 0.1, seed + 1000)
        assert compare(slow, fast) == "slower"
