"""A restored store takes the former one's place at one moment, whatever is killed when."""

import os
import shutil
from pathlib import Path

import pytest

from ops.nats import store_swap
from tests.support.killed import Killed, dies_before_step


def made(folder: Path) -> Path:
    place = store_swap.begin(folder)
    (place / "store" / "jetstream").mkdir(parents=True)
    (place / "store" / "jetstream" / "jobs").write_text("new")
    return place


def jobs(folder: Path) -> str:
    return (folder / "store" / "jetstream" / "jobs").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "nats" / "store" / "jetstream").mkdir(parents=True)
    (tmp_path / "nats" / "store" / "jetstream" / "jobs").write_text("former")
    (tmp_path / "nats" / "credentials").write_text("kept")
    return tmp_path / "nats"


def test_what_is_made_changes_nothing_until_it_is_decided(folder: Path) -> None:
    made(folder)
    store_swap.finish(folder)
    assert jobs(folder) == "former"


def test_a_decision_puts_the_store_and_the_files_in_their_places_and_leaves_nothing(folder: Path) -> None:
    place = made(folder)
    tokens = folder.parent / "elsewhere" / "tokens.json"
    store_swap.commit(folder, place, {tokens: b"tokens"})
    assert jobs(folder) == "new"
    assert tokens.read_bytes() == b"tokens"
    assert tokens.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in folder.iterdir()) == ["credentials", "store"]


def test_a_store_that_was_never_there_is_put_in_place_too(tmp_path: Path) -> None:
    store_swap.commit(tmp_path, made(tmp_path), {})
    assert jobs(tmp_path) == "new"


STEPS = 40
"""More than a swap has: the last ones are those of a swap that nothing kills."""


@pytest.mark.parametrize("step", range(STEPS))
def test_killed_at_any_step_it_is_the_former_or_the_new_one_and_whole(
    folder: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    tokens = folder.parent / "tokens.json"
    tokens.write_bytes(b"former")
    place = made(folder)
    with monkeypatch.context() as patched:
        calls = [(Path, "rename"), (Path, "replace"), (shutil, "rmtree"), (os, "fsync"), (os, "open")]
        dies_before_step(step, calls, patched)
        try:
            store_swap.commit(folder, place, {tokens: b"new"})
            survived = True
        except Killed:
            survived = False
    store_swap.finish(folder)
    assert (jobs(folder), tokens.read_bytes()) in [("former", b"former"), ("new", b"new")]
    if survived:
        assert jobs(folder) == "new"
    assert survived or step < STEPS - 1, "the steps are not enough to see a whole swap"
    store_swap.commit(folder, made(folder), {})
    assert sorted(path.name for path in folder.iterdir()) == ["credentials", "store"]
