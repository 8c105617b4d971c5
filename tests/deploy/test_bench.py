"""What of the benchmarks takes minutes: hey beside our own loop, and the quick mode of each."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.__main__ import cli
from tests.deploy.support import debian

ENDS_WITHIN_S = 280.0
"""On a machine at rest a quick mode takes less than a minute."""
QUICK = [
    "spike",
    "slow-jobs",
    "load",
    "retry",
    "sweep",
    "slo",
    "chaos",
    "soak",
    "readers",
    "documents",
    "batch",
    "cluster",
]
NEED_DATA_SETS = {"answers", "embedding", "models"}
ROOT = Path(__file__).parents[2]


def bench(*arguments: str, folder: Path) -> dict[str, Any]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DOCQA_")}
    done = subprocess.run(
        [sys.executable, "-m", "bench", *arguments, "--json"],
        cwd=folder, env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=ENDS_WITHIN_S, check=False,
    )  # fmt: skip
    assert done.stdout, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    broken = [promise for promise in result["promises"] if not (promise["held"] or promise["is_bar"])]
    assert not broken
    return result


def test_hey_is_measured_beside_our_closed_loop(tmp_path: Path) -> None:
    debian.ensure("hey")
    result = bench("hey", "-n", "1000", "-c", "50", "--queue-size", "10", folder=tmp_path)
    # How far they are apart is a figure for a machine at rest, which the command judges as a bar.
    assert isinstance(result["figures"]["apart_points"], float)


@pytest.mark.parametrize("command", QUICK)
def test_a_quick_mode_keeps_its_promises(command: str, tmp_path: Path) -> None:
    assert bench(command, "--quick", folder=tmp_path)["quick"]


def test_every_benchmark_has_a_quick_mode() -> None:
    shared = {
        name for name, command in cli.commands.items() if any(option.name == "quick" for option in command.params)
    }
    assert shared == {*QUICK, *NEED_DATA_SETS, "hey", "peers", "generator", "scale", "redaction"}
