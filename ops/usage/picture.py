"""Draws the report of `docqa usage`: bars of days and clients, the budget, the forecast, advice."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_BAR: Final = 30
_MOST_CLIENTS: Final = 15


def picture(report: Mapping[str, Any]) -> "RenderableType":
    """The whole report, for a terminal."""
    from rich.console import Group

    parts: list[RenderableType] = [_budget(report), "", _table("day", report["days"])]
    if report["clients"]:
        parts += ["", _table("client", report["clients"][:_MOST_CLIENTS])]
    if more := len(report["clients"]) - _MOST_CLIENTS:
        parts += [f"  and {more} more: --json lists them"] if more > 0 else []
    parts += ["", _savings(report["total"])]
    parts += [f"- {sentence}" for sentence in report["advice"]]
    return Group(*parts)


def _budget(report: Mapping[str, Any]) -> "RenderableType":
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    budget, expected = report["budget"], report["forecast"]
    limit, used = budget["limit_tokens"], budget["used_tokens"]
    facts = Table.grid(padding=(0, 2))
    facts.add_row("proxy today", f"{used:,} tokens" + (f" of {limit:,}" if limit is not None else ", no budget is set"))
    if limit:
        facts.add_row("", ProgressBar(total=limit, completed=min(used, limit), width=40))
    facts.add_row("forecast", f"{expected['tokens']:,} tokens by midnight UTC, by {expected['basis']}")
    return facts


def _table(kind: str, rows: Sequence[Mapping[str, Any]]) -> "Table":
    from rich.bar import Bar
    from rich.table import Table

    most = max((row["answers"] for row in rows), default=0) or 1
    table = Table(kind, "answers", "", box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("local", "proxy", "cache", "proxy's tokens", "saved tokens"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row[kind],
            f"{row['answers']:,}",
            Bar(most, 0, row["answers"], width=_BAR),
            *(f"{row[name]['answers']:,}" for name in ("local", "proxy", "cache")),
            f"{row['proxy_tokens']:,}",
            f"{row['saved_tokens']:,}",
        )
    return table


def _savings(total: Mapping[str, Any]) -> str:
    ratio = total["cache_hit_ratio"]
    hits = f"; {ratio:.0%} of the proxy's questions were answered from the cache" if ratio is not None else ""
    return f"Saved: {total['saved_tokens']:,} tokens answered by the local model and the cache{hits}."
