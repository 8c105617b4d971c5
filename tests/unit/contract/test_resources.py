"""How much of its machine a process takes, in a control group and out of one."""

import os
from pathlib import Path

import psutil
import pytest

from contract.runtime.resources import available_cores, free_bytes, memory_limit_bytes

GROUP = "docqa.slice/worker"


def cgroups(folder: Path, files: dict[str, str], membership: str = f"0::/{GROUP}") -> tuple[Path, Path]:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{text}\n")
    (folder / "membership").write_text(f"{membership}\n")
    return folder, folder / "membership"


@pytest.fixture
def six_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(6)))


@pytest.mark.usefixtures("six_cores")
@pytest.mark.parametrize(
    ("cpu_max", "cores"),
    [("max 100000", 6), ("150000 100000", 2), ("50000 100000", 1), ("900000 100000", 6), ("", 6), ("nonsense", 6)],
)
def test_a_quota_bounds_the_cores(tmp_path: Path, cpu_max: str, cores: int) -> None:
    assert available_cores(*cgroups(tmp_path, {f"{GROUP}/cpu.max": cpu_max})) == cores


@pytest.mark.usefixtures("six_cores")
def test_a_parents_quota_bounds_the_cores(tmp_path: Path) -> None:
    files = {f"{GROUP}/cpu.max": "max 100000", "docqa.slice/cpu.max": "200000 100000"}
    assert available_cores(*cgroups(tmp_path, files)) == 2


@pytest.mark.usefixtures("six_cores")
def test_older_cgroups_have_their_quota_in_two_files(tmp_path: Path) -> None:
    files = {"cpu/docqa/cpu.cfs_quota_us": "300000", "cpu/docqa/cpu.cfs_period_us": "100000"}
    assert available_cores(*cgroups(tmp_path, files, "4:cpu:/docqa")) == 3


@pytest.mark.usefixtures("six_cores")
def test_without_a_control_group_it_is_all_that_the_scheduler_allows(tmp_path: Path) -> None:
    assert available_cores(tmp_path, tmp_path / "missing") == 6


def test_without_a_limit_it_is_what_the_machine_has_free(tmp_path: Path) -> None:
    found = free_bytes(tmp_path, tmp_path / "missing")
    assert abs(found - psutil.virtual_memory().available) < 2**30


@pytest.mark.parametrize("group", [GROUP, "docqa.slice", "."])
def test_a_group_gives_what_is_left_of_its_limit_or_of_its_parents(tmp_path: Path, group: str) -> None:
    """And not the memory of a machine of which it may use a part only."""
    files = {f"{group}/memory.max": "3000", f"{group}/memory.current": "1000"}
    assert free_bytes(*cgroups(tmp_path, files)) == 2000


def test_older_cgroups_say_the_same_under_other_names(tmp_path: Path) -> None:
    files = {"memory/a/memory.limit_in_bytes": "3000", "memory/a/memory.usage_in_bytes": "4000"}
    assert free_bytes(*cgroups(tmp_path, files, "5:memory:/a")) == 0


def test_no_limit_is_no_limit(tmp_path: Path) -> None:
    found = cgroups(tmp_path, {f"{GROUP}/memory.max": "max", f"{GROUP}/memory.current": "1000"})
    assert free_bytes(*found) > 2**20
    assert memory_limit_bytes(*found) == psutil.virtual_memory().total
