"""`docqa bench compare A B`: two stored results side by side. A difference counts if the intervals do not overlap.

The interval of a percentile is its binomial 95% confidence interval by rank, which one run is enough to compute.
"""

import json
import math
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from hdrh.histogram import HdrHistogram
from rich.table import Table

from contract.runtime.terminal import echo, rich_console

_Z: Final = 1.96
_PERCENTILES: Final = (50.0, 90.0, 99.0)
_RATES: Final = ("answered_per_s", "tokens_per_s", "peak_per_s", "knee_per_s")
FEWEST_BEYOND: Final = 5
"""Answers needed beyond a percentile to compare it."""
RATE_NOISE: Final = 0.1
"""Rates of two runs of one system on a shared machine differ by this much; a single number has no interval."""


class Row(msgspec.Struct, frozen=True):
    """One metric from both runs, each with its confidence interval."""

    name: str
    a: tuple[float, float, float]
    b: tuple[float, float, float]

    @property
    def is_noise(self) -> bool:
        """True if the intervals overlap."""
        return self.a[1] <= self.b[2] and self.b[1] <= self.a[2]

    @property
    def change(self) -> float:
        return self.b[0] / self.a[0] - 1 if self.a[0] else 0.0

    @property
    def words(self) -> str:
        """The conclusion as text."""
        return "within noise" if self.is_noise else f"{self.change:+.1%}"


@click.command("compare")
@click.argument("first", metavar="A", type=click.Path(path_type=Path))
@click.argument("second", metavar="B", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def command(first: Path, second: Path, as_json: bool) -> None:
    """Compare two stored results."""
    a, b = _read(first), _read(second)
    if a["benchmark"] != b["benchmark"]:
        raise click.ClickException(
            f"{first} is of {a['benchmark']}, {second} of {b['benchmark']}: they cannot be compared."
        )
    rows = compare(a, b)
    if as_json:
        echo(json.dumps([{**msgspec.to_builtins(row), "says": row.words} for row in rows]))
    else:
        _show(a, b, rows)


def compare(a: dict[str, Any], b: dict[str, Any]) -> list[Row]:
    """Percentiles of the answers, and rates."""
    histograms = [HdrHistogram.decode(found["latency_histogram"]) for found in (a, b)]
    fewest = min(histogram.total_count for histogram in histograms)
    rows = []
    for percentile in _PERCENTILES:
        # With too few answers in the tail, neither the figure nor its interval means much.
        if fewest * (1 - percentile / 100) >= FEWEST_BEYOND:
            spread = [percentile_with_spread(histogram, percentile) for histogram in histograms]
            rows.append(Row(f"p{percentile:g} ms", *spread))
    for name in _RATES:
        if name in a["figures"] and name in b["figures"]:
            rows.append(Row(name.replace("_per_s", " a second"), *(_rate(found["figures"][name]) for found in (a, b))))
    return rows


def percentile_with_spread(histogram: HdrHistogram, percentile: float) -> tuple[float, float, float]:
    """The percentile and its confidence interval by rank, in milliseconds."""
    share = percentile / 100
    wide = 100 * _Z * math.sqrt(share * (1 - share) / histogram.total_count)
    ranks = percentile, max(percentile - wide, 0), min(percentile + wide, 100)
    middle, low, high = (histogram.get_value_at_percentile(rank) / 1000 for rank in ranks)
    return middle, low, high


def _rate(value: float) -> tuple[float, float, float]:
    return value, value * (1 - RATE_NOISE / 2), value * (1 + RATE_NOISE / 2)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
        found["benchmark"], found["figures"], found["latency_histogram"]
    except OSError as error:
        raise click.ClickException(f"Cannot read {path}: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError):
        raise click.ClickException(f"{path} is not a stored result of a load.") from None
    return dict(found)


def _show(a: dict[str, Any], b: dict[str, Any], rows: list[Row]) -> None:
    table = Table(box=None)
    for name in ("", f"A: {a['measured']}", f"B: {b['measured']}", "B against A"):
        table.add_column(name, justify="right")
    for row in rows:
        both = (f"{middle:.4g} ({low:.4g} to {high:.4g})" for middle, low, high in (row.a, row.b))
        table.add_row(row.name, *both, row.words)
    rich_console(highlight=False, soft_wrap=True).print(table)
    if a["machine"] != b["machine"]:
        echo("The machines or versions differ, which may explain differences.")
