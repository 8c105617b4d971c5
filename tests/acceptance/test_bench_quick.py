"""The benchmarks' quick modes against the real system: each ends within a minute, and its promises hold."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import ROOT
from tests.support.stack import Stack

WITHIN_S = 120.0
"""Twice what a quick run may take: the machine may be busy with other tests."""


def bench(*arguments: str, folder: Path) -> tuple[int, dict[str, Any]]:
    """Run `docqa bench` as a user does; its exit code and what it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DOCQA_")}
    done = subprocess.run(
        [sys.executable, "-m", "bench", *arguments, "--json"],
        cwd=folder, env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=WITHIN_S, check=False,
    )  # fmt: skip
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def holds(code: int, result: dict[str, Any]) -> None:
    """Nothing lost, nothing twice, and the exit code says so."""
    broken = [promise for promise in result["promises"] if not (promise["held"] or promise["is_bar"])]
    assert not broken
    assert result["ledger"]["fates"]["LOST"] == 0
    assert result["ledger"]["fates"]["ANSWERED TWICE"] == 0
    assert code == 0


@pytest.mark.slow
def test_a_spike_of_50_into_10_places_gets_50_answers(tmp_path: Path) -> None:
    code, result = bench("spike", "--quick", "--out", str(tmp_path / "out"), folder=tmp_path)
    holds(code, result)
    assert result["ledger"]["fates"]["answered"] == 50
    assert result["refusals"]["count"] >= 40
    page = (tmp_path / "out" / "spike.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "All 7 promises held" in page
    assert (tmp_path / "out" / "spike-timeline.png").stat().st_size > 10_000
    assert json.loads((tmp_path / "out" / "spike.json").read_text()) == result


@pytest.mark.slow
def test_slow_jobs_fill_the_queue_are_refused_and_drain(tmp_path: Path) -> None:
    code, result = bench("slow-jobs", "--quick", folder=tmp_path)
    holds(code, result)
    assert result["figures"]["completion_ratio"] == 1
    assert result["refusals"]["count"] > 0
    assert result["figures"]["alerts_true_after_s"]["refusing"] is not None
    assert result["figures"]["drained_after_s"] is not None


@pytest.mark.slow
def test_chaos_loses_nothing(tmp_path: Path) -> None:
    code, result = bench("chaos", "--quick", folder=tmp_path)
    holds(code, result)
    assert result["figures"]["faults"] >= 8
    assert set(result["figures"]["recovery_s"]) >= {
        *(f"{what} {part}" for what in ("kill -9", "pause") for part in ("worker", "ingress", "nats")),
        "restart nats",
    }


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_full_disk_is_survived(tmp_path: Path) -> None:
    code, result = bench("chaos", "--quick", "--kind", "disk", "--faults", "2", folder=tmp_path)
    holds(code, result)


def test_a_running_stack_is_measured_through_its_address(echo: Stack, tmp_path: Path) -> None:
    for target in (str(echo.ready().uds), echo.ready().http):
        code, result = bench("load", "-n", "40", "-c", "8", "--target", target, folder=tmp_path)
        holds(code, result)
        assert result["ledger"]["fates"]["answered"] == 40


def test_chaos_never_takes_a_running_stack(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "chaos", "--target", "nobody"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "a stack of its own" in done.stderr


@pytest.mark.slow
def test_models_are_compared_with_quotes_by_a_stack_of_their_own(tmp_path: Path) -> None:
    code, result = bench("models", "--quick", "--engine", "echo", "--no-keep", folder=tmp_path)
    assert code == 0
    quoted, written = result["figures"]["models"]["rows"]
    assert (quoted["style"], written["style"]) == ("quote", "write")
    assert quoted["right"]["share"] > written["right"]["share"] == 0
    assert written["auto"] == "quote"
