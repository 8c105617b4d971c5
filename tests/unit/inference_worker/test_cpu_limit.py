"""How many cores the engine takes when no setting says it."""

import os
from pathlib import Path

import pytest

from inference_worker.cores import available_cores


@pytest.fixture(autouse=True)
def six_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(6)))


@pytest.mark.parametrize(
    ("cpu_max", "cores"),
    [("max 100000", 6), ("150000 100000", 2), ("50000 100000", 1), ("900000 100000", 6), ("", 6), ("nonsense", 6)],
)
def test_a_containers_quota_bounds_the_cores(tmp_path: Path, cpu_max: str, cores: int) -> None:
    path = tmp_path / "cpu.max"
    path.write_text(cpu_max)
    assert available_cores(path) == cores


def test_without_a_quota_file_it_is_all_that_the_scheduler_allows(tmp_path: Path) -> None:
    assert available_cores(tmp_path / "missing") == 6
