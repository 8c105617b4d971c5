"""The comparison with peers as tables of words: what a page, the report and the terminal all show."""

from typing import Any

from bench.contests import CONTESTS
from bench.table import Table


def tables(figures: dict[str, Any]) -> list[Table]:
    """One for each contest of a result; none for a result of anything else."""
    return [CONTESTS[name].table(found) for name, found in figures.get("contests", {}).items()]
