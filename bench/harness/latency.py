"""Latencies as an HDR histogram: three significant digits from a microsecond to an hour, in constant memory."""

from collections.abc import Iterable
from typing import Final

from hdrh.histogram import HdrHistogram

_LONGEST_US: Final = 3600 * 1_000_000
PERCENTILES: Final = (50.0, 90.0, 95.0, 99.0, 99.9)


class Latencies:
    """A histogram that takes seconds and reports milliseconds."""

    def __init__(self, values_s: Iterable[float] = ()) -> None:
        self._histogram = HdrHistogram(1, _LONGEST_US, 3)
        for value_s in values_s:
            self.add(value_s)

    def add(self, value_s: float) -> None:
        self._histogram.record_value(min(max(round(value_s * 1e6), 1), _LONGEST_US))

    @property
    def count(self) -> int:
        return int(self._histogram.total_count)

    def percentile_ms(self, percentile: float) -> float:
        """The percentile in ms; 0.0 without values."""
        if not self.count:
            return 0.0
        return float(round(self._histogram.get_value_at_percentile(percentile) / 1000, 3))

    def summary(self) -> dict[str, float]:
        """Count, p50 to p99.9 and maximum, in milliseconds."""
        figures = {f"p{percentile:g}_ms": self.percentile_ms(percentile) for percentile in PERCENTILES}
        return {"count": self.count, **figures, "max_ms": self.percentile_ms(100.0)}

    def encoded(self) -> str:
        """The whole histogram in HdrHistogram's format, base64, so that several can be added up."""
        return bytes(self._histogram.encode()).decode()
