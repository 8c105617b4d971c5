"""Knows whether the store of results is full, from refused writes: this ingress's own, and those of live workers."""

import math
import time
from typing import Final

from ingress.jobs.workers import Fleet

FULL_FOR_S: Final = 60.0
"""How long a refused write of this ingress counts."""


class ResultStore:
    """What is known of the store; nothing is asked, since listing it would show other publishers' jobs."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._refused_at_s = -math.inf

    def on_full(self) -> None:
        """A write was refused for want of room."""
        self._refused_at_s = time.monotonic()

    @property
    def error(self) -> str | None:
        """A sentence while results can't be stored, else None."""
        if time.monotonic() - self._refused_at_s < FULL_FOR_S:
            return (
                "The store of results is full: new results wait until old ones expire or are erased, "
                "or until DOCQA_RESULTS_MAX_BYTES is raised."
            )
        return next((worker.error for worker in self._fleet.live() if worker.error), None)
