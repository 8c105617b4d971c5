"""How often a question is tried at the proxy's API, and how long it waits in between: never past its deadline."""

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from contract.errors import ProxyError
from inference_worker.proxy.errors import ApiError

MOST: Final = 4
_FIRST_S: Final = 0.5
_LONGEST_S: Final = 8.0
_SPREAD: Final = 0.25
"""So that callers with the same wait don't all come back at the same moment."""


class Tries:
    """Counts the tries of one question."""

    def __init__(self, within_s: float | None, now_s: Callable[[], float] = time.monotonic) -> None:
        """`within_s`: what is left of the job's time; None: no end."""
        self._now_s = now_s
        self._ends_s = now_s() + within_s if within_s is not None else None
        self._made = 0

    def next_wait_s(self, error: ApiError) -> float:
        """Seconds until the next try. Raises ProxyError when there is none."""
        self._made += 1
        if not error.is_passing:
            raise ProxyError(str(error), is_replayable=error.is_replayable)
        if self._made >= MOST:
            raise ProxyError(f"{error} It was tried {self._made} times.")
        wait_s = self._backoff_s() if error.retry_after_s is None else _spread(error.retry_after_s)
        return self.affordable(wait_s, error)

    def affordable(self, wait_s: float, error: ApiError) -> float:
        """The wait itself; raises ProxyError where the job would be over by then."""
        if self._ends_s is not None and self._now_s() + wait_s >= self._ends_s:
            raise ProxyError(f"{error} The next try would be in {wait_s:.0f} s, and the job has to end before.")
        return wait_s

    def _backoff_s(self) -> float:
        # Full jitter: with less, callers that failed together come back together.
        return random.uniform(0, min(_FIRST_S * 2**self._made, _LONGEST_S))  # noqa: S311  # a wait, no key


def retry_after_s(header: str | None) -> float | None:
    """Seconds or a date, as RFC 9110 has it; None for anything else."""
    if header is None:
        return None
    if header.strip().isascii() and header.strip().isdigit():
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0)


def _spread(wait_s: float) -> float:
    return wait_s + random.uniform(0, _SPREAD * wait_s + _SPREAD)  # noqa: S311  # a wait, no key


FAILURES: Final = 5
OPEN_S: Final = 15.0
_PROBE_LOOK_S: Final = 0.5
"""How soon to check again while one call tries."""


class Breaker:
    """Closed: calls pass. Open: none does. Half open, when the time is over: one call passes, and decides."""

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
        """Follow one call. A cancelled one says nothing about the API; a refused one shows that it is up."""
        is_probe = self.is_open
        self._is_probed = self._is_probed or is_probe
        try:
            yield
        except ApiError as error:
            self._note(error)
            raise
        finally:
            self._is_probed = self._is_probed and not is_probe

    def succeeded(self) -> None:
        """An answer came."""
        self._failures = 0

    def _note(self, error: ApiError) -> None:
        if not error.is_outage:
            self._failures = 0
            return
        self._failures += 1
        if self.is_open:
            self._open_until_s = self._now_s() + self._open_s
