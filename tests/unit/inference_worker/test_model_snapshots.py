"""Snapshots of model files: what is kept, what is found, what comes back."""

import os
import shutil
from pathlib import Path

import pytest

from contract.errors import DocQAError, SettingsError
from inference_worker.model_files import record, snapshots
from inference_worker.model_files.file_copy import place
from inference_worker.model_files.gguf_header import metadata
from inference_worker.model_files.record import hash_of
from inference_worker.model_files.snapshots import KEPT, ModelSnapshots
from tests.support.gguf import gguf, replace
from tests.support.killed import Killed, dies_before_step


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "models" / "Tiny.gguf"
    path.parent.mkdir()
    path.write_bytes(gguf())
    return path


@pytest.fixture
def kept(tmp_path: Path) -> ModelSnapshots:
    return ModelSnapshots(tmp_path / "snapshots")


def change(path: Path) -> None:
    """One byte, in the file itself, size and time as before."""
    seen = path.stat()
    with path.open("r+b") as file:
        file.seek(-5, os.SEEK_END)
        file.write(b"W")
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))


def test_a_snapshot_says_what_it_holds_where_it_came_from_and_what_the_file_says(
    kept: ModelSnapshots, model: Path
) -> None:
    made, is_new = kept.make([model], source=None)
    [file] = made.files
    assert is_new
    assert (file.size_bytes, file.sha256, file.source) == (model.stat().st_size, hash_of(model), str(model))
    assert file.metadata == {"general.architecture": "llama", "llama.context_length": 2048}
    assert kept.all() == [made]
    assert kept.verify("latest") == kept.verify_used() == []


def test_the_source_is_what_was_said_else_what_the_file_says(kept: ModelSnapshots, model: Path) -> None:
    model.write_bytes(gguf(general__source__url="where.example/tiny"))
    assert kept.make([model], source=None)[0].files[0].source == "where.example/tiny"
    model.write_bytes(gguf())
    assert kept.make([model], source="by hand")[0].files[0].source == "by hand"


def test_where_no_blocks_can_be_shared_a_link_costs_nothing(
    kept: ModelSnapshots, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = kept.make([model], None)
    assert made.ways[model.name] in ("reflink", "link")
    copied, is_new = ModelSnapshots(kept.root.with_name("elsewhere")).make([model], None, is_copied=True)
    assert is_new
    assert copied.ways[model.name] == "copy"


def test_a_removed_or_replaced_model_comes_back(kept: ModelSnapshots, model: Path) -> None:
    content = model.read_bytes()
    kept.make([model], None)
    replace(model, gguf(general__name="another"))
    assert kept.restore("latest", None) == [model]
    assert model.read_bytes() == content
    model.unlink()
    kept.restore("latest", None)
    assert model.read_bytes() == content
    assert sorted(path.name for path in model.parent.iterdir()) == [model.name]


def test_a_snapshot_can_be_brought_to_another_folder(kept: ModelSnapshots, model: Path, tmp_path: Path) -> None:
    kept.make([model], None)
    assert kept.restore("latest", tmp_path / "new") == [tmp_path / "new" / model.name]
    record.check(tmp_path / "new" / model.name, kept.root, "full")


def test_a_changed_byte_is_found_in_the_snapshot_and_in_the_file_in_use(kept: ModelSnapshots, model: Path) -> None:
    made, _ = kept.make([model], None, is_copied=True)
    change(model)
    assert kept.verify("latest") == []
    [trouble] = kept.verify_used()
    assert trouble.startswith(f"{model} is not what was recorded")
    kept.restore("latest", None, is_copied=True)
    change(kept.root / made.name / model.name)
    whole = model.read_bytes()
    with pytest.raises(DocQAError, match=r"^Nothing was restored: .* is not what was recorded"):
        kept.restore("latest", None)
    assert model.read_bytes() == whole


def test_five_different_ones_are_kept_and_the_same_twice_is_one(kept: ModelSnapshots, model: Path) -> None:
    names = []
    for number in range(KEPT + 2):
        replace(model, gguf(general__name=str(number)))
        names.append(kept.make([model], None)[0].name)
        again, is_new = kept.make([model], None)
        assert (again.name, is_new) == (names[-1], False)
    assert [snapshot.name for snapshot in kept.all()] == names[: -KEPT - 1 : -1]


def test_a_worker_refuses_a_model_that_is_not_the_recorded_one(kept: ModelSnapshots, model: Path) -> None:
    record.check(model, kept.root, "fast")
    kept.make([model], None, is_copied=True)
    record.check(model, kept.root, "full")
    change(model)
    record.check(model, kept.root, "fast")
    with pytest.raises(SettingsError, match=r"^MODEL_NAME: .* is not the file that was recorded"):
        record.check(model, kept.root, "full")
    record.check(model, kept.root, "off")
    os.utime(model)
    with pytest.raises(SettingsError, match="`docqa models restore` brings that one back"):
        record.check(model, kept.root, "fast")
    model.write_bytes(b"GGUF, but shorter")
    with pytest.raises(SettingsError):
        record.check(model, kept.root, "fast")
    kept.make([model], None)
    record.check(model, kept.root, "full")


def test_a_model_that_was_only_touched_passes(kept: ModelSnapshots, model: Path) -> None:
    kept.make([model], None)
    os.utime(model)
    record.check(model, kept.root, "fast")


STEPS = 30


@pytest.mark.parametrize("step", range(STEPS))
def test_killed_at_any_step_no_half_snapshot_counts_and_the_former_ones_stand(
    kept: ModelSnapshots, model: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    first, _ = kept.make([model], None)
    former = model.read_bytes()
    replace(model, gguf(general__name="another"))
    with monkeypatch.context() as patched:
        calls = [(Path, "rename"), (Path, "replace"), (Path, "mkdir"), (snapshots, "place")]
        dies_before_step(step, [*calls, (os, "fsync"), (os, "link"), (os, "utime")], patched)
        # What a killed process has no time for.
        patched.setattr(ModelSnapshots, "_sweep", lambda self: None)
        try:
            kept.make([model], None)
            survived = True
        except Killed:
            survived = False
    assert survived or step < STEPS - 1, "the steps are not enough to see a whole snapshot"
    assert first in kept.all()
    for snapshot in kept.all():
        assert kept.verify(snapshot.name) == []
    made, _ = kept.make([model], None)
    assert [made, first] == kept.all()
    assert not list(kept.root.glob(".unfinished-*"))
    kept.restore(first.name, None)
    assert model.read_bytes() == former


@pytest.mark.parametrize("step", range(STEPS))
def test_killed_at_any_step_of_a_restore_there_is_a_model_that_a_worker_takes(
    kept: ModelSnapshots, model: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    first, _ = kept.make([model], None)
    former = model.read_bytes()
    replace(model, gguf(general__name="another"))
    kept.make([model], None)
    later = model.read_bytes()
    with monkeypatch.context() as patched:
        calls = [(Path, "rename"), (Path, "replace"), (Path, "mkdir"), (snapshots, "place")]
        dies_before_step(step, [*calls, (os, "fsync"), (os, "link"), (os, "utime")], patched)
        try:
            kept.restore(first.name, None)
            survived = True
        except Killed:
            survived = False
    assert survived or step < STEPS - 1, "the steps are not enough to see a whole restore"
    assert model.read_bytes() in ([former] if survived else [former, later])
    record.check(model, kept.root, "full")
    assert kept.verify_used() == []
    kept.restore(first.name, None)
    assert model.read_bytes() == former
    assert [path.name for path in model.parent.iterdir()] == [model.name]


def test_a_full_disk_leaves_what_there_was(kept: ModelSnapshots, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = kept.make([model], None, is_copied=True)
    replace(model, gguf(general__name="another"))

    def full(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes()[:100])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copyfile", full)
        with pytest.raises(OSError, match="No space left"):
            kept.make([model], None, is_copied=True)
        used = model.read_bytes()
        with pytest.raises(OSError, match="No space left"):
            kept.restore("latest", None, is_copied=True)
        assert model.read_bytes() == used
        assert [path.name for path in model.parent.iterdir()] == [model.name]
    assert kept.all() == [first]
    assert not list(kept.root.glob(".unfinished-*"))


def test_a_kept_file_has_the_time_of_its_source(model: Path, tmp_path: Path) -> None:
    os.utime(model, ns=(10**18, 10**18))
    place(model, tmp_path / "kept", is_copied=True)
    assert (tmp_path / "kept").stat().st_mtime_ns == 10**18


def test_what_is_no_header_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(gguf()[:80])
    assert metadata(path) == {"general.architecture": "llama"}
    path.write_bytes(b"")
    assert metadata(path) == {}


def test_a_link_is_kept_under_the_name_that_was_given(tmp_path: Path) -> None:
    """Hubs keep blobs under their hashes, and links with names to them."""
    blobs, models = tmp_path / "blobs", tmp_path / "models"
    blobs.mkdir()
    models.mkdir()
    (blobs / "0123abcd").write_bytes(gguf())
    links = [models / name for name in ("one.gguf", "two.gguf")]
    for link in links:
        link.symlink_to(blobs / "0123abcd")
    snapshots = ModelSnapshots(tmp_path / "snapshots")
    made, _ = snapshots.make(links, None)
    assert [file.name for file in made.files] == ["one.gguf", "two.gguf"]
    assert snapshots.verify("latest") == []
    for link in links:
        record.check(link, tmp_path / "snapshots", "full")
    assert snapshots.restore("latest", tmp_path / "new") == [tmp_path / "new" / link.name for link in links]
