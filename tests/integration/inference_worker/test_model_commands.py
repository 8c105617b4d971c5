"""`docqa models list|snapshot|verify|restore` as they are typed, killed in the middle, and on a disk that is full."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from inference_worker.model_files import record
from inference_worker.model_files.record import hash_of
from inference_worker.model_files.snapshots import ModelSnapshots
from tests.support.gguf import gguf, replace
from tests.support.small_disk import small_disk
from tests.support.waiting import until

KILLS = int(os.environ.get("MODEL_KILLS", "3"))
MODEL_BYTES = 48 * 2**20
"""Worth some time to read and to copy."""
WITHIN_S = 60


class Models:
    """A folder with a model, and the command on it."""

    def __init__(self, folder: Path) -> None:
        self.model = folder / "models" / "Tiny.gguf"
        self.kept = ModelSnapshots(folder / "data" / "model-snapshots")
        self.model.parent.mkdir(parents=True)
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "DOCQA_DATA_DIR": str(folder / "data"),
            "MODEL_PATH": str(self.model.parent),
            "MODEL_NAME": self.model.name,
        }

    def put(self, name: str, size_bytes: int = 0) -> str:
        """Replace the model by one that calls itself so; its SHA-256."""
        replace(self.model, gguf(general__name=name) + name.encode() + bytes(size_bytes))
        return hash_of(self.model)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "ops", "models", *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, env=self._environment, stdout=pipe, stderr=pipe, text=True, start_new_session=True
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit status, stdout, stderr."""
        process = self.start(*arguments)
        out, words = process.communicate(timeout=WITHIN_S)
        return process.returncode, out, words

    def said(self, *arguments: str) -> Any:
        code, out, words = self.run(*arguments, "--json")
        assert (code, words) == (0, "")
        return json.loads(out)

    def refused(self, *arguments: str) -> str:
        """The one sentence of a command that fails."""
        code, out, words = self.run(*arguments, "--json")
        assert (code, out) == (1, "")
        assert words.startswith("docqa: ")
        assert words.count("\n") == 1
        return words

    def timed(self, *arguments: str) -> float:
        began = time.monotonic()
        self.said(*arguments)
        return time.monotonic() - began

    def killed(self, pause_s: float, *arguments: str) -> bool:
        """Kill -9 of the command and what works for it after this time; False where it was over by then."""
        with self.start(*arguments) as process:
            try:
                process.communicate(timeout=pause_s)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                return True
        return False

    def all_are_whole(self) -> list[str]:
        """The snapshots that are there, newest first; each must be what its manifest says."""
        found = self.kept.all()
        assert [self.kept.verify(snapshot.name) for snapshot in found] == [[] for _ in found]
        return [snapshot.name for snapshot in found]


@pytest.fixture
def models(tmp_path: Path) -> Models:
    return Models(tmp_path)


@pytest.fixture
def rng() -> random.Random:
    seed = os.environ.get("MODEL_SEED") or str(random.randrange(10**9))
    print(f"MODEL_SEED={seed}")  # noqa: T201 - a failed run is repeated with it
    return random.Random(seed)


def test_a_model_is_kept_listed_verified_and_brought_back(models: Models) -> None:
    sha256 = models.put("first")
    made = models.said("snapshot", "--source", "where.example/tiny")
    [file] = made["snapshot"]["files"]
    assert made["is_new"]
    assert not models.said("snapshot", "--source", "where.example/tiny")["is_new"]
    assert (file["sha256"], file["size_bytes"]) == (sha256, models.model.stat().st_size)
    assert (file["source"], file["metadata"]["general.name"]) == ("where.example/tiny", "first")
    assert models.said("list")["snapshots"] == [made["snapshot"]]
    _, listed, _ = models.run("list")
    assert "not measured yet: docqa models tune" in listed
    assert f"Tiny.gguf  SHA-256 {sha256[:12]}  llama  from where.example/tiny" in listed
    assert models.said("verify") == {"verified": True, "troubles": []}
    models.model.unlink()
    assert models.said("restore", made["snapshot"]["name"]) == {"restored": [str(models.model)]}
    assert hash_of(models.model) == sha256


def test_a_changed_byte_is_found_and_not_brought_back(models: Models) -> None:
    models.put("first")
    models.said("snapshot", "--copy")
    with models.model.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"X")
    code, out, words = models.run("verify", "--json")
    [trouble] = json.loads(out)["troubles"]
    assert (code, words) == (1, f"docqa: {trouble}\n")
    assert str(models.model) in trouble
    [kept] = models.kept.root.glob("*/Tiny.gguf")
    kept.write_bytes(b"GGUF")
    assert f"Nothing was restored: {kept} is not what was recorded" in models.refused("restore")


def test_what_can_not_be_done_is_said_in_one_sentence(models: Models, tmp_path: Path) -> None:
    models.put("first")
    assert "There is no snapshot latest in" in models.refused("restore")
    assert f"--model: there is no file {tmp_path / 'none'}." in models.refused(
        "snapshot", "--model", str(tmp_path / "none")
    )
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    assert "Nothing has changed." in models.refused("snapshot", "--to", str(in_the_way))
    code, out, words = models.run("snapshot", "--none")
    assert (code, out) == (2, "")
    assert "No such option '--none'" in words


@pytest.mark.slow
def test_a_snapshot_that_is_killed_does_not_count_and_the_former_ones_stand(models: Models, rng: random.Random) -> None:
    first = models.put("first", MODEL_BYTES)
    lasts_s = models.timed("snapshot", "--copy")
    [name] = models.all_are_whole()
    broken_off = 0
    for number in range(KILLS):
        models.put(f"another {number}", MODEL_BYTES)
        broken_off += models.killed(rng.uniform(0.3, lasts_s), "snapshot", "--copy")
        assert name in models.all_are_whole()
    print(f"{broken_off} of {KILLS} were broken off")  # noqa: T201 - shows that the moments were interesting ones
    assert models.said("snapshot", "--copy")["snapshot"]["name"] == models.all_are_whole()[0]
    assert not list(models.kept.root.glob(".unfinished-*")), "the next one clears up"
    models.said("restore", name)
    assert hash_of(models.model) == first


@pytest.mark.slow
def test_a_restore_that_is_killed_leaves_the_former_model_or_the_restored_one(
    models: Models, rng: random.Random
) -> None:
    first = models.put("first", MODEL_BYTES)
    name = models.said("snapshot", "--copy")["snapshot"]["name"]
    second = models.put("second", MODEL_BYTES)
    other = models.said("snapshot", "--copy")["snapshot"]["name"]
    lasts_s = models.timed("restore", name, "--copy")
    for _ in range(KILLS):
        models.said("restore", other)
        models.killed(rng.uniform(0.3, lasts_s), "restore", name, "--copy")
        assert hash_of(models.model) in (first, second)
        record.check(models.model, models.kept.root, "full")
        assert models.all_are_whole() == [other, name]
    models.said("restore", name)
    assert hash_of(models.model) == first
    assert [path.name for path in models.model.parent.iterdir()] == [models.model.name]


def test_what_works_for_a_killed_command_ends_with_it_and_another_may_follow(models: Models) -> None:
    """The command alone is killed: its child holds the folder."""
    models.put("first", MODEL_BYTES)
    with models.start("snapshot", "--copy") as process:
        until(lambda: list(models.kept.root.glob(".lock")), "the work has begun", WITHIN_S)
        process.kill()
        process.wait()
        # Its child's end closes them.
        process.communicate(timeout=WITHIN_S)
    models.said("snapshot", "--copy")
    assert len(models.all_are_whole()) <= 2


def test_a_full_disk_of_snapshots_costs_none_of_them(models: Models) -> None:
    models.kept.root.parent.mkdir()
    with small_disk(models.kept.root, 80):
        models.put("first", MODEL_BYTES)
        name = models.said("snapshot", "--copy")["snapshot"]["name"]
        models.put("second", MODEL_BYTES)
        assert "No space left on device. Nothing has changed." in models.refused("snapshot", "--copy")
        assert models.all_are_whole() == [name]
        assert not list(models.kept.root.glob(".unfinished-*"))


def test_a_full_disk_of_models_leaves_the_model_in_use(models: Models) -> None:
    models.model.parent.rmdir()
    with small_disk(models.model.parent, 80):
        models.put("first", MODEL_BYTES)
        name = models.said("snapshot", "--copy")["snapshot"]["name"]
        models.model.unlink()
        second = models.put("second", MODEL_BYTES)
        assert "No space left on device" in models.refused("restore", name, "--copy")
        assert hash_of(models.model) == second
        assert [path.name for path in models.model.parent.iterdir()] == [models.model.name]
