"""How far a batch is: rate, expected end, failures, tokens. Knows times and counts, prints nothing."""

import time
from collections import Counter, deque
from datetime import datetime, timedelta
from typing import Final

from ops.batch.journal import Ending

_RATE_OVER: Final = 200
"""Rows over which the rate is taken."""


class Progress:
    """Counts from `done` of `total` rows on; `failed` of those that ended earlier failed."""

    def __init__(self, total: int, done: int, failed: int) -> None:
        self.total = total
        self.done = done
        self.failed = failed
        self.codes: Counter[str] = Counter()
        self.tokens = 0
        self._ended_s: deque[float] = deque([time.monotonic()], maxlen=_RATE_OVER)

    def note(self, ending: Ending) -> None:
        """Count a row that ended now."""
        self.done += 1
        self._ended_s.append(time.monotonic())
        if ending.is_answered:
            usage = ending.answer.get("usage", {})
            self.tokens += int(usage.get("prompt_tokens", 0)) + int(usage.get("completion_tokens", 0))
        else:
            self.failed += 1
            self.codes[ending.code] += 1

    @property
    def rows_per_s(self) -> float:
        took_s = time.monotonic() - self._ended_s[0]
        return (len(self._ended_s) - 1) / took_s if took_s > 0 else 0.0

    @property
    def in_words(self) -> str:
        share = 100 * self.done // max(self.total, 1)
        text = f"{self.done:,} of {self.total:,} rows ({share}%), {self.failed:,} failed, {self.tokens:,} tokens"
        if not self.rows_per_s or self.done >= self.total:
            return text
        ends = datetime.now() + timedelta(seconds=(self.total - self.done) / self.rows_per_s)
        return f"{text}, {self.rows_per_s:.1f} a second, done about {ends:%a %H:%M}"
