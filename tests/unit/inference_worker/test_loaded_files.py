"""A model's files, watched while it runs."""

import os
from pathlib import Path

import pytest

from inference_worker.llama.binding.loaded_files import LoadedFiles


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"weights")
    return path


def test_a_file_that_stays_is_not_changed(model: Path) -> None:
    assert LoadedFiles(model).changed is None


def test_a_file_that_is_written_over_in_place_is_changed(model: Path) -> None:
    files = LoadedFiles(model)
    model.write_bytes(b"other weights")
    assert files.changed == model


def test_a_file_of_the_same_size_is_changed_by_its_time(model: Path) -> None:
    files = LoadedFiles(model)
    os.utime(model, (1, 1))
    assert files.changed == model


def test_a_file_that_is_replaced_by_a_rename_is_changed(model: Path, tmp_path: Path) -> None:
    files, seen = LoadedFiles(model), model.stat()
    new = tmp_path / "new"
    new.write_bytes(b"weights")
    os.utime(new, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    new.replace(model)
    assert files.changed == model


def test_a_file_that_is_removed_goes_on_being_used(model: Path) -> None:
    files = LoadedFiles(model)
    model.unlink()
    assert files.changed is None


def test_each_part_of_a_model_counts(tmp_path: Path) -> None:
    parts = [tmp_path / f"m-{number:05}-of-00002.gguf" for number in (1, 2)]
    for part in parts:
        part.write_bytes(b"x")
    files = LoadedFiles(parts[0])
    parts[1].write_bytes(b"xy")
    assert files.changed == parts[1]
