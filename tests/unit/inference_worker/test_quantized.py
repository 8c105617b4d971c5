"""What is kept of a model: whole or not there, whatever happens while it is made."""

import hashlib
from pathlib import Path

import pytest

from contract.errors import AlreadyRunningError, EngineError
from inference_worker.model_files.quantized import ModelFolder


@pytest.fixture
def given(tmp_path: Path) -> Path:
    path = tmp_path / "models" / "Tiny.Q4_1.gguf"
    path.parent.mkdir()
    path.write_bytes(b"GGUF given")
    return path


@pytest.fixture
def folder(tmp_path: Path, given: Path) -> ModelFolder:
    return ModelFolder(tmp_path / "cache", given, "1.0")


def write(source: Path, target: Path, kind: str) -> None:
    target.write_bytes(source.read_bytes() + kind.encode())


def test_a_made_file_is_found_again_and_is_named_after_both(folder: ModelFolder, given: Path) -> None:
    made = folder.make("q8_0", write)
    assert made.read_bytes() == b"GGUF givenq8_0"
    assert made.stem == "Tiny.Q4_1-as-q8_0"
    assert folder.made("q8_0") == made
    assert folder.made("q6_k") is None


def test_its_hash_stands_beside_it_in_the_form_of_sha256sum(folder: ModelFolder) -> None:
    made = folder.make("q8_0", write)
    expected = f"{hashlib.sha256(made.read_bytes()).hexdigest()}  {made.name}\n"
    assert made.with_suffix(".sha256").read_text() == expected


def test_a_second_make_finds_the_first_ones_file(folder: ModelFolder) -> None:
    def refuse(source: Path, target: Path, kind: str) -> None:
        raise AssertionError("made twice")

    assert folder.make("q8_0", write) == folder.make("q8_0", refuse)


def test_a_damaged_file_is_not_found(folder: ModelFolder) -> None:
    made = folder.make("q8_0", write)
    made.write_bytes(made.read_bytes()[:-1])
    assert folder.made("q8_0") is None


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), EngineError("no"), KeyboardInterrupt()])
def test_a_full_disk_a_failure_and_a_ctrl_c_leave_nothing_half_written(
    folder: ModelFolder, given: Path, error: BaseException
) -> None:
    def fail(source: Path, target: Path, kind: str) -> None:
        target.write_bytes(b"GGU")
        raise error

    with pytest.raises(type(error)):
        folder.make("q8_0", fail)
    assert [path.name for path in folder.path.iterdir()] == ["lock"]
    assert given.read_bytes() == b"GGUF given"


def test_what_a_killed_process_left_is_cleared_away(folder: ModelFolder) -> None:
    left = folder.path / "unfinished" / "q8_0.part"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"GGU")
    folder.clear_leftovers()
    assert not left.parent.exists()


def test_what_a_living_process_writes_is_let_be(folder: ModelFolder, tmp_path: Path, given: Path) -> None:
    with folder.locked() as unfinished:
        (unfinished / "q8_0.part").write_bytes(b"GGU")
        ModelFolder(tmp_path / "cache", given, "1.0").clear_leftovers()
        assert (unfinished / "q8_0.part").exists()


def test_a_second_tuning_of_the_same_model_is_refused(folder: ModelFolder) -> None:
    with (
        folder.locked(),
        pytest.raises(AlreadyRunningError, match="wait until it has ended"),
        folder.locked(wait=False),
    ):
        pass


def test_another_file_of_the_same_name_has_a_folder_of_its_own(
    folder: ModelFolder, given: Path, tmp_path: Path
) -> None:
    given.write_bytes(b"GGUF other")
    assert ModelFolder(tmp_path / "cache", given, "1.0").path != folder.path


def test_another_release_of_the_library_has_a_folder_of_its_own(
    folder: ModelFolder, given: Path, tmp_path: Path
) -> None:
    assert ModelFolder(tmp_path / "cache", given, "1.1").path != folder.path


def test_an_unchanged_file_is_not_read_again_for_its_hash(tmp_path: Path, given: Path) -> None:
    memory = tmp_path / "cache" / "hashes.json"
    first = ModelFolder(tmp_path / "cache", given, "1.0").given_sha256
    memory.write_text(memory.read_text().replace(first, "remembered"))
    assert ModelFolder(tmp_path / "cache", given, "1.0").given_sha256 == "remembered"
    given.write_bytes(b"GGUF other")
    assert ModelFolder(tmp_path / "cache", given, "1.0").given_sha256 not in (first, "remembered")
