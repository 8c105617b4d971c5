"""The comparison with peers as a table of words: what a page, the report and the terminal all show."""

from typing import Any


def as_table(rows: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Heads and a row a system: speed with its spread, what a burst met, what outlived a kill -9."""
    heads = (
        "system",
        "answers a second",
        "tokens a second",
        "burst: answered",
        "refused",
        "slowest answer, s",
        "kill -9",
    )
    return [heads, *(_as_words(row) for row in rows)]


def _as_words(row: dict[str, Any]) -> tuple[str, ...]:
    speed, tokens, burst, kill = (row.get(kind, {}) for kind in ("answers_per_s", "tokens_per_s", "burst", "kill"))
    statuses = burst.get("statuses", {})
    return (
        row["peer"],
        f"{speed['median']:.2f} ({speed['min']:.2f} to {speed['max']:.2f})",
        f"{tokens['median']:.0f}",
        f"{statuses.get('200', 0)} of {sum(statuses.values())}",
        str(statuses.get("429", 0) + statuses.get("503", 0)),
        str(burst.get("slowest_answer_s") or "-"),
        f"{kill.get('answered', 0)} of {kill.get('asked', 0)} answered",
    )
