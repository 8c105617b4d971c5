"""Renders docs/benchmarks.md from the stored results: every figure on the page comes from one, with its command."""

import json
import re
from pathlib import Path
from typing import Any, Final

import click

from bench.harness.table import Table
from bench.report import comparison
from contract.runtime.files import write_atomically
from contract.runtime.terminal import echo

_HEAD: Final = """\
# Benchmarks

Rendered by `docqa bench page` from the results in `bench/results/`; a test compares the page with them. Each command
below repeats a measurement; with `--out DIR` it also writes a report (one HTML file and PNGs) beside the result. A
*bar* is a performance target for an idle machine, which affects the exit status with `--strict` only. All other
verdicts are promises.

`make peers` installs the systems for `docqa bench peers` into an environment of their own, `.venv-peers`, and
`make redactors` those for `docqa bench redaction` into `.venv-redactors`. `python3 bench/setup_time.py` measures the
set-up itself, from an empty clone without caches to the model's first answer (`bench/results/setup.json`).

Latencies count from the moment at which a query should have been sent, so that a stall of the system shows.

| `docqa bench` | what it does |
| --- | --- |
| `spike` | many queries at once to a small queue; refused clients obey `Retry-After` |
| `slow-jobs` | jobs of 2 to 5 s at three times the capacity, until everything has drained |
| `load` | a steady load, open loop (`--rate`) or closed loop (`-n`, `-c`) |
| `sweep` | arrival rates from light to past saturation: the knee, and the goodput beyond it |
| `simulate` | no run: what more workers and arrivals would meet, by a model of these results ([scale.md](scale.md)) |
| `cluster` | three nats-servers with copies and three workers, killed and paused at random under load |
| `scale` | one, two and three workers on a cluster of three nats-servers, which are killed one by one |
| `slo` | whether small jobs on the real model take less than 5 s at 70% of the knee |
| `hey` | our closed loop compared with `hey` (`apt install hey`), over TCP |
| `retry` | clients that obey `Retry-After` compared with clients that hammer |
| `chaos` | faults under load (kills, pauses, restarts, a full disk and more), then the ledger |
| `batch` | a table of questions by `docqa batch`, which is killed, as each part of the system is |
| `soak` | a long steady load; growing processes are reported |
| `peers` | the same questions to llama-server, compiled here and of a wheel, and to llama_cpp.server |
| `redaction` | the sanitizer compared with redact-secret, betterleaks, gitleaks and detect-secrets; its speed |
| `embedding` | the embedder: its speed and memory, what 8 bits lose, what it finds by itself |
| `readers` | what is read of invented documents in every format, and how fast |
| `documents` | documents in a whole system: read, found among 250,000 passages, kept under kills, and whose they are |
| `answers` | how good answers by quoting are: right, recall, refusals; with `--style`, a model's, and citations |
| `models` | models' own words beside the sentences, and their pace (`docqa models compare`) |
| `generator` | the load generator itself |
| `overhead` | the overhead of the message bus |
| `compare` | two stored results side by side |

All but the last two take `--quick`, which ends within a minute, and `--json`; the exit status is 0 only if all promises
held. A load uses the running system at `--target`, or starts one; `chaos`, `hey` and `peers` always start one;
`answers`, `embedding`, `readers` and `redaction` need none.
"""
_FIGURES: Final = {
    "first_refusal_ms": "first refusal after the burst, ms",
    "burst_sent_ms": "sending the burst took, ms (part of the above)",
    "apart_points": "difference of refusals between hey and our loop, points",
    "refused_share": "refused share",
    "capacity_per_s": "capacity, jobs per second",
    "knee_per_s": "knee, arrivals per second",
    "peak_per_s": "peak answers per second",
    "kept_past_peak": "lowest goodput past saturation, share of the peak",
    "pdf_pages_per_cpu_s": "pages of a PDF read, a second and core",
    "pdf_megabytes_per_cpu_s": "PDF read, MB a second and core",
    "docx_megabytes_per_cpu_s": "DOCX read, MB a second and core",
    "html_megabytes_per_cpu_s": "HTML read, MB a second and core",
    "markdown_megabytes_per_cpu_s": "Markdown read, MB a second and core",
    "reader_peak_mib": "most memory of a reader, MiB",
    "english_sentences_a_cpu_second": "sentences of 20 pieces embedded in a CPU second by the model for English",
    "multilingual_sentences_a_cpu_second": "the same by the multilingual model",
    "english_query_median_cpu_ms": "a question's vector by the model for English, ms of CPU",
    "multilingual_query_median_cpu_ms": "the same by the multilingual model",
    "search_cpu_ms": "a question against 250,000 stored vectors, ms of CPU",
    "loaded_mib": "memory of a process with both, MiB",
    "after_work_mib": "the same after work, MiB",
    "english_centred_cosine_mean": "mean cosine of 8-bit arithmetic to float32, model for English",
    "multilingual_centred_cosine_mean": "the same, multilingual model",
    "held_per_s": "held rate, arrivals per second",
    "within_5s_share": "share of those arrivals answered within 5 s",
    "three_workers_to_one": "answers of three workers relative to one",
    "servers_killed": "killed servers of the bus",
    "completion_ratio": "answered share of accepted jobs",
    "drained_after_s": "drained after the last arrival, s",
    "faults": "faults",
    "share_of_a_core": "share of one core used by the generator",
    "late_p99_ms": "p99 of the generator's lateness, ms",
    "rows_per_s": "rows of the batch per second",
    "batch_peak_mib": "memory of `docqa batch`, MiB",
    "batch_cpu_s": "its processor time, s",
    "total_s_patient": "clients that obey Retry-After: all answered after, s",
    "wasted_tries_patient": "clients that obey Retry-After: refused tries",
    "total_s_hammering": "clients that hammer: all answered after, s",
    "wasted_tries_hammering": "clients that hammer: refused tries",
    "obey_to_hammer": "the one time relative to the other",
    "vain_tries_each_patient": "clients that obey Retry-After: refusals of each after the first",
    "told_s_mean": "first told times, mean, s",
    "told_error_s_median": "their error against the ends of jobs, median, s",
    "told_error_share_median": "the same as a part of the true time",
    "idle_while_outside": "part of the slots' time that was idle while somebody waited outside as told",
    "told_s_grow_beside_a_hammer": "told times beside one client that hammers, relative to those without",
    "answered_per_s": "answers per second over the whole run",
}


_MARKED: Final = re.compile(r"[|*_`<>\[\]]")


@click.command("page")
@click.option("--results", type=click.Path(path_type=Path), default=Path("bench/results"), show_default=True)
@click.option("--to", type=click.Path(path_type=Path), default=Path("docs/benchmarks.md"), show_default=True)
def command(results: Path, to: Path) -> None:
    """Render docs/benchmarks.md from stored results."""
    write_atomically(to, render(stored(results)).encode())
    echo(f"Written: {to}")


def stored(folder: Path) -> list[dict[str, Any]]:
    """The stored results of loads, by name."""
    found = [json.loads(path.read_bytes()) for path in sorted(folder.glob("*.json"))]
    return [result for result in found if "promises" in result]


def render(results: list[dict[str, Any]]) -> str:
    """The text of the page."""
    return "\n".join([_HEAD, *(_section(result) for result in results)])


def _section(result: dict[str, Any]) -> str:
    machine = result["machine"]
    parts = [
        f"## {result['benchmark']}\n",
        f"    {result['command']}\n",
        f"{result['measured'][:10]}, {machine['cores']} cores of {machine['processor']}, "
        f"Python {machine['python']}, goblin-docqa {machine['packages']['goblin-docqa']}{_load(machine)}.\n",
        *(_verdict(promise) for promise in result["promises"]),
        "",
        _ledger(result),
        _latency(result),
        _figures(result["figures"]),
        _versions(machine["packages"]),
    ]
    return "\n".join(part for part in parts if part is not None)


def _load(machine: dict[str, Any]) -> str:
    load = machine.get("load_average")
    return "" if load is None else f"; a load of {load:g} at the end"


def _versions(packages: dict[str, str]) -> str | None:
    """The versions of the peers, if any."""
    theirs = [f"{name.partition(' ')[0]} {version}" for name, version in packages.items() if "peers" in name]
    return f"The peers: {', '.join(theirs)}.\n" if theirs else None


def _verdict(promise: dict[str, Any]) -> str:
    word = "held" if promise["held"] else "bar missed" if promise["is_bar"] else "**BROKEN**"
    return f"- {word}: {promise['name']}. {promise['words']}"


def _ledger(result: dict[str, Any]) -> str | None:
    if not (ledger := result.get("ledger")):
        return None
    fates = ", ".join(f"{count} {fate}" for fate, count in ledger["fates"].items())
    return f"The ledger of {ledger['sent']} queries: {fates}.\n"


def _latency(result: dict[str, Any]) -> str | None:
    kinds = {"answers": "latency", "first token": "first_token", "refusals": "refusals"}
    rows = {name: row for name, kind in kinds.items() if (row := result.get(kind)) and row["count"]}
    if not rows:
        return None
    heads = [name.removesuffix("_ms") for name in next(iter(rows.values()))]
    table = [
        ("ms", *heads),
        ("---",) * (len(heads) + 1),
        *((name, *map(_number, row.values())) for name, row in rows.items()),
    ]
    return _table(table)


def _figures(figures: dict[str, Any]) -> str:
    table = [("figure", "value"), ("---", "---")]
    table += [(words, _number(figures[name])) for name, words in _FIGURES.items() if figures.get(name) is not None]
    for kind, times in figures.get("recovery_s", {}).items():
        table.append(
            (f"recovery from {kind} ({times['count']}), s", f"median {times['median']}, slowest {times['max']}")
        )
    for part, slope in figures.get("slopes", {}).items():
        grown = f"{slope['mib_per_hour']:+.1f} MiB and {slope['descriptors_per_hour']:+.1f} descriptors"
        table.append((f"slope of {part} after the warm-up, an hour", grown))
    contests = [_contest(contest) for contest in comparison.tables(figures)]
    return "\n".join([*contests, *([_table(table)] if len(table) > 2 else [])])


def _contest(contest: Table) -> str:
    """A table may contain a model's output, which is text, not Markdown."""
    rows = [tuple(_plain(cell) for cell in row) for row in contest.rows]
    table = _table([contest.heads, ("---",) * len(contest.heads), *rows]) if rows else ""
    return "\n".join(
        part for part in (f"### {contest.title}\n", table, f"{contest.note}\n" * bool(contest.note)) if part
    )


def _plain(cell: str) -> str:
    return _MARKED.sub(r"\\\g<0>", " ".join(cell.split()))


def _table(rows: list[Any]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
