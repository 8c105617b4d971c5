"""Idle rows that come along in a round, so that llama.cpp runs it in one pass. Knows numbers of rows only.

With split cells a pass takes rows whose numbers follow one another, and a round over rows 0, 1, 3, 5, 6 and 7 is run as
three passes: each reads all weights again. One token more in the rows between costs less than another pass.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise


def rows_between(rows: Sequence[int], can_come: Callable[[int], bool]) -> list[int]:
    """Which rows to take along with `rows`, which ascend: those of each gap that is worth it and where all can come.

    A gap is closed when it is no longer than the longer run of rows beside it: one pass over 2 + 2 + 2 rows took 32 ms
    where two passes over 2 took 40, but one over 1 + 2 + 1 took 27 where two over 1 took 22.
    """
    taken: list[int] = []
    for gap, beside in _gaps(rows):
        if len(gap) <= beside and all(can_come(row) for row in gap):
            taken += gap
    return taken


def _gaps(rows: Sequence[int]) -> list[tuple[range, int]]:
    """Each gap, with the length of the longer run beside it."""
    runs: list[tuple[int, int]] = []
    for row in rows:
        if runs and runs[-1][1] == row:
            runs[-1] = (runs[-1][0], row + 1)
        else:
            runs.append((row, row + 1))
    return [
        (range(left_end, right), max(left_end - left, right_end - right))
        for (left, left_end), (right, right_end) in pairwise(runs)
    ]
