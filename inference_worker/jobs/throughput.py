"""Completions and tokens per second of this worker, over the last minute in which it had work."""

from collections import deque
from typing import Final

import msgspec

WINDOW_S: Final = 60


class Sample(msgspec.Struct, frozen=True):
    """One second's work."""

    busy_s: float
    jobs: int
    tokens: int


class Throughput:
    """Rates over the last WINDOW_S samples, one a second.

    Only seconds with work count: otherwise the first burst after a quiet hour would look slow for a minute.
    """

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=WINDOW_S)
        self._jobs = 0

    def job_done(self) -> None:
        """Count one completion."""
        self._jobs += 1

    def tick(self, busy_s: float, tokens: int) -> None:
        """Close a sample in which there was work for `busy_s` seconds and `tokens` were made."""
        self._samples.append(Sample(busy_s, self._jobs, tokens))
        self._jobs = 0

    @property
    def jobs_per_s(self) -> float:
        return self._per_busy_second(sum(sample.jobs for sample in self._samples))

    @property
    def tokens_per_s(self) -> float:
        return self._per_busy_second(sum(sample.tokens for sample in self._samples))

    def _per_busy_second(self, total: int) -> float:
        busy_s = sum(sample.busy_s for sample in self._samples)
        return round(total / busy_s, 3) if busy_s else 0.0
