"""Completions and tokens per second of this worker, over the last minute in which it had work.

The pace of completions is that of seconds in which all slots were busy, since that is what a full queue waits for.
"""

import math
from collections import deque
from typing import Final

import msgspec

WINDOW_S: Final = 60


class Sample(msgspec.Struct, frozen=True):
    """One second's work."""

    busy_s: float
    jobs: int
    tokens: int
    busy_share: float
    """Of the slots, at the end of the second."""


class Throughput:
    """Rates over the last WINDOW_S samples, one a second.

    Only seconds with work count: otherwise the first burst after a quiet hour would look slow for a minute.
    """

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=WINDOW_S)
        self._jobs = 0
        self._full_pace = 0.0

    def job_done(self) -> None:
        """Count one completion."""
        self._jobs += 1

    def tick(self, busy_s: float, tokens: int, busy_share: float = 1.0) -> None:
        """Close a sample in which there was work for `busy_s` seconds and `tokens` were made."""
        self._samples.append(Sample(busy_s, self._jobs, tokens, busy_share))
        self._jobs = 0
        full = [sample for sample in self._samples if sample.busy_s and sample.busy_share >= 1]
        if jobs := sum(sample.jobs for sample in full):
            self._full_pace = jobs / sum(sample.busy_s for sample in full)

    @property
    def jobs_per_s(self) -> float:
        """While all slots are busy: as measured last, else a guess from seconds in which some were.

        The guess lies between no gain by more slots busy and a gain in proportion: their geometric mean.
        """
        if self._full_pace:
            return round(self._full_pace, 3)
        worked = [sample for sample in self._samples if sample.busy_s]
        share = sum(sample.busy_share for sample in worked) / len(worked) if worked else 1.0
        return round(self._per_busy_second(sum(sample.jobs for sample in self._samples)) / math.sqrt(share or 1.0), 3)

    @property
    def tokens_per_s(self) -> float:
        return self._per_busy_second(sum(sample.tokens for sample in self._samples))

    def _per_busy_second(self, total: int) -> float:
        busy_s = sum(sample.busy_s for sample in self._samples)
        return round(total / busy_s, 3) if busy_s else 0.0
