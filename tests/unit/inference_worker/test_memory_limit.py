"""How much memory a worker may take, in a container and out of one."""

from pathlib import Path

import psutil

from inference_worker.free_memory import free_bytes


def cgroup(folder: Path, limit: tuple[str, str], used: tuple[str, str]) -> Path:
    for name, text in (limit, used):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_without_a_container_it_is_what_the_machine_has_free(tmp_path: Path) -> None:
    found = free_bytes(tmp_path)
    assert abs(found - psutil.virtual_memory().available) < 2**30


def test_a_container_gives_what_is_left_of_its_limit(tmp_path: Path) -> None:
    """And not the memory of a machine of which it may use a part only."""
    assert free_bytes(cgroup(tmp_path, ("memory.max", "3000\n"), ("memory.current", "1000\n"))) == 2000


def test_older_cgroups_say_the_same_under_other_names(tmp_path: Path) -> None:
    limit, used = ("memory/memory.limit_in_bytes", "3000\n"), ("memory/memory.usage_in_bytes", "4000\n")
    assert free_bytes(cgroup(tmp_path, limit, used)) == 0


def test_no_limit_is_no_limit(tmp_path: Path) -> None:
    folder = cgroup(tmp_path, ("memory.max", "max\n"), ("memory.current", "1000\n"))
    assert free_bytes(folder) > 2**20
