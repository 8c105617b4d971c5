"""Where the knee is, and how much goodput is left past saturation."""

from bench.commands.rate_search import Step, knee_of


def step(rate: float, goodput: float, refused: float) -> Step:
    return Step(rate=rate, arrived=rate, goodput=goodput, refused=refused, p50_ms=1, p99_ms=2)


def test_the_knee_is_the_highest_rate_of_which_nearly_all_is_answered() -> None:
    found = knee_of([step(10, 10, 0), step(20, 20, 0.01), step(30, 24, 0.2), step(60, 18, 0.7)])
    assert found == {"knee_per_s": 20, "peak_per_s": 24, "kept_past_peak": 0.75}


def test_a_peak_at_the_highest_rate_does_not_hide_a_dip_before_it() -> None:
    assert knee_of([step(20, 20, 0), step(40, 15, 0.6), step(60, 30, 0.5)])["kept_past_peak"] == 0.5


def test_a_rate_at_which_the_queue_only_fills_is_past_the_knee() -> None:
    assert knee_of([step(2, 2, 0), step(3, 2, 0), step(4, 2, 0.1)])["knee_per_s"] == 2
