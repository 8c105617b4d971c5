"""Decides whether one way of running a model is slower than another, or only looked slower in some runs.

Knows numbers only. Runs are paired: the n-th of both were made one after the other, so that a neighbour on the machine
disturbs both alike.
"""

import math
import statistics
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

MARGIN: Final = math.log(1 / 0.95)
"""A difference of less than 5% is not worth choosing by, however certain it is."""
LEAST_RUNS: Final = 4
MOST_RUNS: Final = 8
"""If it is not clear after this many pairs, the two are called equal."""
_STANDARD_ERRORS: Final = 2.0
_LEAST_SPREAD: Final = 0.01
"""Runs that agree better than this agree by chance."""

Finding: TypeAlias = Literal["slower", "equal", "unclear"]


def compare(times_s: Sequence[float], fastest_s: Sequence[float]) -> Finding:
    """How the runs of one candidate relate to those of the fastest one, as many of both.

    `slower`: by more than the margin, two standard errors of the mean logarithmic ratio taken off.
    """
    ratios = [math.log(time_s / fast_s) for time_s, fast_s in zip(times_s, fastest_s, strict=True)]
    if len(ratios) < LEAST_RUNS:
        return "unclear"
    error = _STANDARD_ERRORS * max(statistics.stdev(ratios), _LEAST_SPREAD) / math.sqrt(len(ratios))
    mean = statistics.fmean(ratios)
    if mean - error > MARGIN:
        return "slower"
    if mean + error < MARGIN or len(ratios) >= MOST_RUNS:
        return "equal"
    return "unclear"
