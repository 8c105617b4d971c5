"""The report: one HTML file that needs nothing else, and a PNG of each plot. The verdict comes first, in words."""

import html
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

from bench.harness.table import Table
from bench.report import comparison, plots
from bench.report.palette import DARK, LIGHT, variables
from contract.runtime.files import write_atomically

_CSS: Final = f"""
:root{{{variables(LIGHT)}color-scheme:light dark}}
@media (prefers-color-scheme:dark){{:root{{{variables(DARK)}}}}}
*{{box-sizing:border-box}}
body{{margin:0 auto;max-width:66rem;padding:2.5rem 1.5rem;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}}
h1{{font-size:1.7rem;margin:0}} h2{{font-size:1.1rem;margin:2.5rem 0 .6rem}}
.sub{{color:var(--muted);margin:.2rem 0 0}} code{{font-size:.9em}}
.summary{{font-size:1.15rem;font-weight:600;margin:1.6rem 0 .8rem}}
.good{{color:var(--answered)}} .bad{{color:var(--fault)}} .bar{{color:var(--refused)}}
.promises{{list-style:none;padding:0;margin:0;border-top:1px solid var(--grid)}}
.promises li{{display:grid;grid-template-columns:5.2rem 17rem 1fr;gap:.8rem;padding:.5rem 0;
border-bottom:1px solid var(--grid)}}
.promises .word{{font-weight:600}} .promises .name{{font-weight:600}}
@media (max-width:44rem){{.promises li{{grid-template-columns:5.2rem 1fr}}.promises .why{{grid-column:2}}}}
.scroll{{overflow-x:auto}} table{{border-collapse:collapse;font-variant-numeric:tabular-nums}}
th,td{{text-align:right;padding:.25rem 1.2rem .25rem 0;border-bottom:1px solid var(--grid)}}
th:first-child,td:first-child{{text-align:left}} th{{color:var(--muted);font-weight:500}}
tr.wrong td{{color:var(--fault);font-weight:600}}
svg{{width:100%;height:auto;display:block;margin:.5rem 0}}
details{{margin-top:1rem}} summary{{cursor:pointer;color:var(--muted)}}
"""


def write_report(out: Path, result: dict[str, Any]) -> list[Path]:
    """Write `<benchmark>.html` and a PNG per plot into the folder; the paths."""
    name, figures = result["benchmark"], plots.all_of(result)
    page = out / f"{name}.html"
    drawn = {kind: plots.as_svg(f"{name}-{kind}", figure) for kind, figure in figures.items()}
    write_atomically(page, render(result, drawn).encode())
    paths = [page]
    for kind, figure in figures.items():
        paths.append(out / f"{name}-{kind}.png")
        plots.write_png(paths[-1], figure)
    return paths


def render(result: dict[str, Any], drawn: dict[str, str]) -> str:
    """The page."""
    title = f"docqa bench {result['benchmark']}"
    parts = [
        f"<h1>{title}</h1>",
        f'<p class="sub">{_text(result["measured"])} · <code>{_text(result.get("command", title))}</code></p>',
        _verdict(result["promises"]),
        _plot(drawn, "knee"),
        _plot(drawn, "peers"),
        _plot(drawn, "ratios"),
        _plot(drawn, "risk"),
        _contests(result["figures"]),
        _plot(drawn, "timeline"),
        _ledger(result),
        _latency(result),
        _plot(drawn, "latency"),
        _retry_after(result.get("retry_after") or {}),
        _plot(drawn, "recovery"),
        _figures(result),
        _machine(result["machine"]),
    ]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    return (
        f'<!doctype html><html lang="en"><head>{head}<style>{_CSS}</style></head><body>{"".join(parts)}</body></html>'
    )


def _verdict(promises: list[dict[str, Any]]) -> str:
    kept = [promise for promise in promises if not promise["is_bar"]]
    broken = [promise for promise in kept if not promise["held"]]
    missed = sum(promise["is_bar"] and not promise["held"] for promise in promises)
    say = f"{len(broken)} of {len(kept)} promises BROKEN." if broken else f"All {len(kept)} promises held."
    bars = f" {missed} {'bar' if missed == 1 else 'bars'} missed on this machine." if missed else ""
    rows = "".join(_promise(promise) for promise in sorted(promises, key=lambda promise: bool(promise["held"])))
    kind = "bad" if broken else "good"
    return f'<p class="summary"><span class="{kind}">{say}</span>{bars}</p><ul class="promises">{rows}</ul>'


def _promise(promise: dict[str, Any]) -> str:
    word, kind = ("held", "good") if promise["held"] else ("missed", "bar") if promise["is_bar"] else ("BROKEN", "bad")
    name, why = _text(promise["name"]), _text(promise["words"])
    cells = (f"word {kind}", word), ("name", name), ("why", why)
    return "<li>" + "".join(f'<span class="{style}">{text}</span>' for style, text in cells) + "</li>"


def _plot(drawn: dict[str, str], kind: str) -> str:
    return f"<figure style='margin:2rem 0 0'>{drawn[kind]}</figure>" if kind in drawn else ""


def _ledger(result: dict[str, Any]) -> str:
    if not (ledger := result.get("ledger")):
        return ""
    rows = [(fate, str(count)) for fate, count in ledger["fates"].items()]
    wrong = {fate for fate, count in ledger["fates"].items() if fate.isupper() and count}
    listed = "".join(f"<li>{_text(seen['job'])}: {_text(seen['why'])}</li>" for seen in ledger["wrong"])
    table = _table(("fate", "queries"), rows, wrong)
    return f"<h2>The ledger of {ledger['sent']} queries</h2>{table}<ul>{listed}</ul>"


def _latency(result: dict[str, Any]) -> str:
    kinds = {
        "answers, from the planned arrival": result.get("latency"),
        "first token": result.get("first_token"),
        "refusals": result.get("refusals"),
    }
    found = {name: row for name, row in kinds.items() if row and row["count"]}
    if not found:
        return ""
    heads = ("milliseconds", *(name.removesuffix("_ms") for name in next(iter(found.values()))))
    rows = [(name, *(_figure(value) for value in row.values())) for name, row in found.items()]
    return f"<h2>Latency</h2>{_table(heads, rows)}"


def _contests(figures: dict[str, Any]) -> str:
    return "".join(_contest(contest) for contest in comparison.tables(figures))


def _contest(contest: Table) -> str:
    rows = [tuple(_text(cell) for cell in row) for row in contest.rows]
    table = _table(contest.heads, rows) if rows else ""
    return f'<h2>{_text(contest.title)}</h2>{table}<p class="sub">{_text(contest.note)}</p>'


def _retry_after(found: dict[str, Any]) -> str:
    if not found.get("count"):
        return ""
    by_then = f"{found['a_place_was_free_by_then']:.0%}"
    return (
        f"<h2>Was Retry-After right?</h2><p>{found['count']} refusals named {found['told_s']['min']} to "
        f"{found['told_s']['max']} s. A queue slot was actually free after {found['free_after_s']['median']} s in the "
        f"median, {found['free_after_s']['max']} s at most; for {by_then} of the refusals it was free in time.</p>"
    )


def _figures(result: dict[str, Any]) -> str:
    plain = [
        (name.replace("_", " "), _text(value))
        for name, value in result["figures"].items()
        if value is not None and not isinstance(value, dict | list)
    ]
    marks = "".join(f"<li>{mark['at_s']:.2f} s: {_text(mark['what'])}</li>" for mark in result.get("marks", []))
    listed = f"<details><summary>What was done to it</summary><ul>{marks}</ul></details>" if marks else ""
    return f"<h2>Figures</h2>{_table(('', ''), plain)}{listed}"


def _machine(machine: dict[str, Any]) -> str:
    rows = [(name, _text(value)) for name, value in machine.items() if name != "packages"]
    packages = list(machine["packages"].items())
    return f"<h2>The machine and the versions</h2>{_table(('', ''), rows + packages)}"


def _table(heads: tuple[str, ...], rows: list[Any], wrong: Collection[str] = ()) -> str:
    head = "".join(f"<th>{name}</th>" for name in heads)
    body = "".join(
        f"<tr{' class=wrong' if row[0] in wrong else ''}>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _text(value: object) -> str:
    return html.escape(str(value))
