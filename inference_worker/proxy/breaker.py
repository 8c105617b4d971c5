"""A circuit breaker: after some failures in a row nobody calls for a while, then one call tries.

Pure: the clock is given.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Final

from inference_worker.proxy.errors import TroubleError

FAILURES: Final = 5
OPEN_S: Final = 15.0
_PROBE_LOOK_S: Final = 0.5
"""How soon to look again while one call tries."""


class Breaker:
    """Closed: everybody calls. Open: nobody. Half open, when the time is over: one call, which decides."""

    def __init__(
        self, failures: int = FAILURES, open_s: float = OPEN_S, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = failures
        self._open_s = open_s
        self._now_s = now_s
        self._failures = 0
        self._open_until_s = 0.0
        self._is_probed = False

    @property
    def is_open(self) -> bool:
        return self._failures >= self._limit

    def wait_s(self) -> float:
        """Seconds until a call may be made; 0: now."""
        if not self.is_open:
            return 0.0
        return max(self._open_until_s - self._now_s(), _PROBE_LOOK_S if self._is_probed else 0.0)

    @contextlib.contextmanager
    def guarded(self) -> Iterator[None]:
        """One call. That it is cancelled says nothing of the API, and that it is refused says that the API is there."""
        is_probe = self.is_open
        self._is_probed = self._is_probed or is_probe
        try:
            yield
        except TroubleError as trouble:
            self._note(trouble)
            raise
        finally:
            self._is_probed = self._is_probed and not is_probe

    def succeeded(self) -> None:
        """An answer came."""
        self._failures = 0

    def _note(self, trouble: TroubleError) -> None:
        if not trouble.is_outage:
            self._failures = 0
            return
        self._failures += 1
        if self.is_open:
            self._open_until_s = self._now_s() + self._open_s
