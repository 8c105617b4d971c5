"""The median of several rounds, with minimum and maximum."""

import statistics
from collections.abc import Iterable
from typing import Any


def over(values: Iterable[float]) -> dict[str, Any]:
    """Median, minimum and maximum of one figure, and its rounds in order."""
    rounds = [round(value, 4) for value in values]
    return {"median": round(statistics.median(rounds), 4), "min": min(rounds), "max": max(rounds), "rounds": rounds}


def in_words(spread: dict[str, Any], form: str = ".2f") -> str:
    """As text: `2.10 (1.95 to 2.30)`."""
    median, least, most = (format(spread[name], form) for name in ("median", "min", "max"))
    return f"{median} ({least} to {most})" if len(spread["rounds"]) > 1 else median
