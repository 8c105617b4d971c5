"""Prints a result: the verdict first, then the ledger with the forbidden fates on top, then the figures."""

from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from bench.harness.table import Table as TextTable
from bench.report import comparison
from contract.runtime.terminal import rich_console


def result(found: dict[str, Any], stored: list[Path]) -> None:
    """Print one result."""
    console = rich_console(highlight=False, soft_wrap=True)
    for promise in found["promises"]:
        console.print(_verdict(promise))
    if ledger := found.get("ledger"):
        console.print(_ledger(ledger))
    if latency := found.get("latency"):
        console.print(_latency(found, latency))
    for contest in comparison.tables(found["figures"]):
        console.print(_contest(contest))
    console.print(_figures(found["figures"]))
    for path in stored:
        console.print(f"Stored: {path}", style="dim")
    if not stored:
        console.print("--out DIR stores the result and writes the report.", style="dim")


def _verdict(promise: dict[str, Any]) -> str:
    word = "[green]held[/]  " if promise["held"] else "[yellow]missed[/]" if promise["is_bar"] else "[red]BROKEN[/]"
    return f"{word}  [bold]{promise['name']}[/]: {promise['words']}"


def _ledger(ledger: dict[str, Any]) -> Table:
    table = Table(title=f"The ledger of {ledger['sent']} queries", title_justify="left", box=None)
    table.add_column("fate")
    table.add_column("queries", justify="right")
    for fate, count in ledger["fates"].items():
        table.add_row(fate, str(count), style="red" if fate.isupper() and count else None)
    for wrong in ledger["wrong"]:
        table.add_row(f"  {wrong['job']}: {wrong['why']}", "", style="red")
    return table


def _latency(found: dict[str, Any], latency: dict[str, float]) -> Table:
    table = Table(title="Milliseconds", title_justify="left", box=None)
    for name in ("", *latency):
        table.add_column(name.removesuffix("_ms"), justify="right")
    rows = {"answers, from the planned arrival": latency, "first token": found.get("first_token")}
    for name, row in {**rows, "refusals": found["refusals"]}.items():
        if row and row["count"]:
            table.add_row(name, *(f"{value:.0f}" if value >= 100 else f"{value:.4g}" for value in row.values()))
    return table


def _contest(contest: TextTable) -> Table:
    table = Table(title=contest.title, caption=contest.note or None, title_justify="left", box=None)
    table.caption_justify = "left"
    for head in contest.heads:
        table.add_column(head, overflow="fold")
    for row in contest.rows:
        table.add_row(*map(escape, row))
    return table


def _figures(figures: dict[str, Any]) -> Table:
    table = Table(box=None, show_header=False)
    for name, value in figures.items():
        if value is not None and not isinstance(value, list | dict):
            table.add_row(name.replace("_", " "), str(value))
    return table
