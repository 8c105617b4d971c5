"""`docqa bench compare A B`: two stored results side by side. A difference counts where the spreads don't touch.

The spread of a percentile is its confidence interval by rank (binomial, 95%): one run is enough to know how far another
one of the same system could have been from it by chance alone.
"""

import json
import math
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from hdrh.histogram import HdrHistogram
from rich.console import Console
from rich.table import Table

_Z: Final = 1.96
_PERCENTILES: Final = (50.0, 90.0, 99.0)
_RATES: Final = ("answered_per_s", "tokens_per_s", "peak_per_s", "knee_per_s")
FEWEST_BEYOND: Final = 5
"""Answers that must be beyond a percentile for it to be compared."""
RATE_NOISE: Final = 0.1
"""Rates of two runs of one system on a shared machine differ by this much; one number has no interval."""


class Row(msgspec.Struct, frozen=True):
    """One figure of both, each with the least and the most that it may as well have been."""

    name: str
    a: tuple[float, float, float]
    b: tuple[float, float, float]

    @property
    def is_noise(self) -> bool:
        """True where the spreads touch."""
        return self.a[1] <= self.b[2] and self.b[1] <= self.a[2]

    @property
    def change(self) -> float:
        return self.b[0] / self.a[0] - 1 if self.a[0] else 0.0

    @property
    def words(self) -> str:
        """What to make of it."""
        return "within noise" if self.is_noise else f"{self.change:+.1%}"


@click.command("compare")
@click.argument("first", metavar="A", type=click.Path(path_type=Path))
@click.argument("second", metavar="B", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def command(first: Path, second: Path, as_json: bool) -> None:
    """Two stored results side by side, with spread."""
    a, b = _read(first), _read(second)
    if a["benchmark"] != b["benchmark"]:
        raise click.ClickException(f"{first} is of {a['benchmark']}, {second} of {b['benchmark']}: not to be compared.")
    rows = compare(a, b)
    if as_json:
        click.echo(json.dumps([{**msgspec.to_builtins(row), "says": row.words} for row in rows]))
    else:
        _show(a, b, rows)


def compare(a: dict[str, Any], b: dict[str, Any]) -> list[Row]:
    """Percentiles of the answers, and rates."""
    histograms = [HdrHistogram.decode(found["latency_histogram"]) for found in (a, b)]
    fewest = min(histogram.total_count for histogram in histograms)
    rows = []
    for percentile in _PERCENTILES:
        # Of a tail that only a few reached neither the figure nor its interval says much.
        if fewest * (1 - percentile / 100) >= FEWEST_BEYOND:
            spread = [percentile_with_spread(histogram, percentile) for histogram in histograms]
            rows.append(Row(f"p{percentile:g} ms", *spread))
    for name in _RATES:
        if name in a["figures"] and name in b["figures"]:
            rows.append(Row(name.replace("_per_s", " a second"), *(_rate(found["figures"][name]) for found in (a, b))))
    return rows


def percentile_with_spread(histogram: HdrHistogram, percentile: float) -> tuple[float, float, float]:
    """In milliseconds: the percentile, and its interval by rank."""
    share = percentile / 100
    wide = 100 * _Z * math.sqrt(share * (1 - share) / histogram.total_count)
    places = percentile, max(percentile - wide, 0), min(percentile + wide, 100)
    middle, low, high = (histogram.get_value_at_percentile(place) / 1000 for place in places)
    return middle, low, high


def _rate(value: float) -> tuple[float, float, float]:
    return value, value * (1 - RATE_NOISE / 2), value * (1 + RATE_NOISE / 2)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
        found["benchmark"], found["figures"], found["latency_histogram"]
    except OSError as error:
        raise click.ClickException(f"Can't read {path}: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError):
        raise click.ClickException(f"{path} is no stored result of a load.") from None
    return dict(found)


def _show(a: dict[str, Any], b: dict[str, Any], rows: list[Row]) -> None:
    table = Table(box=None)
    for name in ("", f"A: {a['measured']}", f"B: {b['measured']}", "B against A"):
        table.add_column(name, justify="right")
    for row in rows:
        both = (f"{middle:.4g} ({low:.4g} to {high:.4g})" for middle, low, high in (row.a, row.b))
        table.add_row(row.name, *both, row.words)
    Console(highlight=False, soft_wrap=True).print(table)
    if a["machine"] != b["machine"]:
        click.echo("Not the same machine or versions: a difference may be theirs.")
