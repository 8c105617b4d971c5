"""Chooses idle rows to run along in a decode step, so that llama.cpp needs fewer passes. Knows row numbers only.

With a split KV cache a pass takes adjacent rows only: a step over rows 0, 1, 3, 5, 6 and 7 is run as three passes, each
of which reads all weights again. One more token in each row between them costs less than another pass.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise


def rows_between(rows: Sequence[int], can_come: Callable[[int], bool]) -> list[int]:
    """The idle rows to add to `rows` (ascending): those of each gap that is worth closing, if `can_come` for all of it.

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
