"""The page of benchmarks says what the stored results say; results can be compared and drawn."""

import copy
import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bench.__main__ import cli
from bench.commands import compare, page
from bench.commands.soak import slopes_of
from bench.harness.latency import Latencies
from bench.harness.sampler import Footprint
from bench.report import html, plots
from bench.report.palette import LIGHT

ROOT = Path(__file__).parents[3]
RESULTS = ROOT / "bench" / "results"


def result(latencies_s: list[float], **figures: Any) -> dict[str, Any]:
    """A small stored result."""
    took = Latencies(latencies_s)
    return {
        "benchmark": "load",
        "measured": "2026-01-01T00:00:00Z",
        "command": "docqa bench load",
        "promises": [{"name": "Accepted is never <lost>", "held": True, "words": "All 3.", "is_bar": False}],
        "ledger": {"sent": 3, "fates": {"LOST": 0, "ANSWERED TWICE": 0, "answered": 3}, "wrong": []},
        "figures": {"elapsed_s": 3.0, "answered_per_s": 1.0, **figures},
        "latency": took.summary(),
        "latency_histogram": took.encoded(),
        "refusals": Latencies().summary(),
        "marks": [{"at_s": 1.0, "what": "kill -9 worker"}],
        "timeline": {
            "step_s": 1.0, "arrivals": [1, 1, 1], "accepted": [1, 1, 1], "refused": [0, 0, 0], "answered": [1, 1, 1],
            "queue": [[0.0, 1, 1, 10]], "latencies": [[0.0, 0.5]], "memory": {"worker": [[0.0, 40.0, 9]]},
        },
        "machine": {"processor": "p", "cores": 2, "kernel": "k", "python": "3", "packages": {"goblin-docqa": "1"}},
    }  # fmt: skip


def test_the_page_is_rendered_from_the_stored_results() -> None:
    """`docqa bench page` after a new result makes this true again."""
    assert (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8") == page.render(page.stored(RESULTS))


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_a_stored_result_has_a_command_that_the_program_knows(path: Path) -> None:
    found = json.loads(path.read_bytes())
    if "promises" in found:
        _, _, command, *arguments = found["command"].split()
        assert cli.commands[command].make_context(command, arguments, resilient_parsing=True)


def test_a_result_equals_itself_within_noise_and_a_slower_one_does_not() -> None:
    fast, slow = result([0.1, 0.11, 0.12] * 100), result([0.2, 0.22, 0.24] * 100)
    assert all(row.is_noise for row in compare.compare(fast, copy.deepcopy(fast)))
    changed = {row.name: row for row in compare.compare(fast, slow)}
    assert changed["p50 ms"].words == "+100.0%"
    assert changed["answered a second"].words == "within noise"


def test_few_samples_have_a_wide_spread_and_their_tail_is_not_compared() -> None:
    few, more = result([0.1, 0.2, 0.3] * 7), result([0.11, 0.21, 0.33] * 7)
    rows = {row.name: row for row in compare.compare(few, more)}
    assert rows.keys() == {"p50 ms", "answered a second"}
    assert rows["p50 ms"].is_noise


def test_results_of_different_benchmarks_are_not_compared(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(result([0.1])))
    (tmp_path / "b.json").write_text(json.dumps({**result([0.1]), "benchmark": "spike"}))
    done = CliRunner().invoke(cli, ["compare", str(tmp_path / "a.json"), str(tmp_path / "b.json")])
    assert done.exit_code == 1
    assert "they cannot be compared" in done.output


def test_the_report_needs_nothing_from_elsewhere_and_is_coloured_by_the_page() -> None:
    found = result([0.1] * 3, recovery_s={"kill -9 worker": {"count": 1, "median": 1.0, "max": 2.0}})
    drawn = {name: plots.as_svg(name, figure) for name, figure in plots.all_of(found).items()}
    assert drawn.keys() == {"timeline", "latency", "recovery"}
    for svg in drawn.values():
        ElementTree.fromstring(svg)  # noqa: S314  # our own drawing
        assert not [colour for colour in LIGHT.values() if colour in svg]
    text = html.render(found, drawn)
    outside = text.replace("http://www.w3.org/", "")
    assert "http" not in outside
    assert "Accepted is never &lt;lost&gt;" in text
    assert "prefers-color-scheme:dark" in text


def test_a_slope_is_found_after_the_warm_up_and_a_restart_begins_anew() -> None:
    leaking = [Footprint(float(at), "worker", 1, 100 + at * 0.1, 20) for at in range(200)]
    flat = [Footprint(float(at), "nats", 2, 50.0 if at > 20 else float(at), 9) for at in range(200)]
    restarted = [Footprint(float(at), "ingress", 3 + at // 150, 900.0 if at < 150 else 60.0, 9) for at in range(200)]
    slopes = slopes_of(leaking + flat + restarted)
    assert slopes["worker"].mib_per_hour == pytest.approx(360)
    assert [part for part, slope in slopes.items() if slope.is_leak] == ["worker"]
