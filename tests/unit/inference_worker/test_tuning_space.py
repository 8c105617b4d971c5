"""What is tried for a source file on a machine, and what is not."""

import shutil
import struct
from pathlib import Path
from types import SimpleNamespace

import pytest

from contract.errors import SettingsError
from inference_worker.model_files.gguf_header import file_type
from inference_worker.model_files.locate import locate_model
from inference_worker.model_files.machine import Machine
from inference_worker.tuning import space as tuning_space

PLAIN = Machine(cpu="Old", flags_sha256="0", multiplies_bf16=False, cores=8)
BF16 = Machine(cpu="New", flags_sha256="1", multiplies_bf16=True, cores=2)
GPU = Machine(cpu="New", flags_sha256="1", multiplies_bf16=True, cores=2, gpu_layers=99)
Q4_1, Q8_0 = 3, 7


def text(content: bytes) -> bytes:
    return struct.pack("<Q", len(content)) + content


def gguf(path: Path, kind: int) -> Path:
    """A header with a string, an array of strings and then the file type, as llama.cpp writes them."""
    fields = [
        text(b"general.name") + struct.pack("<I", 8) + text(b"Tiny"),
        text(b"general.languages") + struct.pack("<IIQ", 9, 8, 2) + text(b"en") + text(b"de"),
        text(b"general.file_type") + struct.pack("<II", 4, kind),
    ]
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, len(fields)) + b"".join(fields))
    return path


@pytest.fixture
def given(tmp_path: Path) -> Path:
    return gguf(tmp_path / "Tiny.gguf", Q4_1)


def test_the_header_says_how_the_weights_are_stored(tmp_path: Path, given: Path) -> None:
    assert file_type(given) == Q4_1
    assert file_type(locate_model(None, None)) == Q4_1


@pytest.mark.parametrize("content", [b"", b"GGUF", b"GGUF" + b"\xff" * 60], ids=["empty", "short", "nonsense"])
def test_a_header_that_can_not_be_read_says_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.gguf").write_bytes(content)
    assert file_type(tmp_path / "bad.gguf") is None


def test_sixteen_bits_are_tried_in_the_form_that_the_processor_multiplies(given: Path) -> None:
    assert tuning_space.candidates([], [], given, PLAIN) == ["as-is", "q8_0", "f16", "q6_k", "q4_0"]
    assert tuning_space.candidates([], [], given, BF16) == ["as-is", "q8_0", "bf16", "q6_k", "q4_0"]


def test_a_file_is_not_turned_into_what_it_is(tmp_path: Path) -> None:
    assert "q8_0" not in tuning_space.candidates([], [], gguf(tmp_path / "Tiny.gguf", Q8_0), PLAIN)


def test_candidates_can_be_named_and_taken_away(given: Path) -> None:
    assert tuning_space.candidates(["q8_0"], [], given, PLAIN) == ["q8_0"]
    assert tuning_space.candidates([], ["q8_0", "f16"], given, PLAIN) == ["as-is", "q6_k", "q4_0"]


@pytest.mark.parametrize(("only", "without"), [(["q9"], []), ([], ["q9"]), (["q8_0"], ["q8_0"])])
def test_a_choice_of_candidates_that_can_not_be_is_refused(given: Path, only: list[str], without: list[str]) -> None:
    with pytest.raises(SettingsError, match=r"^--only, --without: "):
        tuning_space.candidates(only, without, given, PLAIN)


def test_with_a_gpu_it_is_tried_with_and_without(given: Path) -> None:
    space = tuning_space.space(["as-is"], GPU)
    assert space.start.gpu_layers == 99
    assert {"gpu_layers": 0} in space.changes_of_one
    assert {"gpu_layers": 0} not in tuning_space.space(["as-is"], BF16).changes_of_one


def test_fewer_threads_than_cores_are_tried(given: Path) -> None:
    changes = tuning_space.space(["as-is"], PLAIN).changes_of_one
    assert [change["threads"] for change in changes if "threads" in change] == [7, 4]


def test_what_does_not_fit_the_memory_or_the_disk_is_not_tried(
    given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size_bytes = given.stat().st_size
    monkeypatch.setattr(tuning_space, "free_bytes", lambda: 10 * size_bytes)
    assert not tuning_space.no_room("f16", given, tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=3 * size_bytes))
    assert "disk" in tuning_space.no_room("f16", given, tmp_path)
    monkeypatch.setattr(tuning_space, "free_bytes", lambda: 3 * size_bytes)
    assert "memory" in tuning_space.no_room("q8_0", given, tmp_path)
    assert not tuning_space.no_room("as-is", given, tmp_path)
