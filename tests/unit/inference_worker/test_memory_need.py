"""What a worker would take in memory, read from a model's header and the settings."""

import struct
from pathlib import Path

import pytest

from contract.errors import SettingsError
from inference_worker.llama.kv_size import Shape, row_tokens
from inference_worker.model_files import gguf_header, parts, soundness
from inference_worker.model_files.shape import shape_in
from inference_worker.settings import WorkerSettings
from inference_worker.tools import memory_need

SMALL = Shape(trained_tokens=8192, layers=30, heads=9, kv_heads=3, embedding=576)


def text(words: str) -> bytes:
    return struct.pack("<Q", len(words)) + words.encode()


def gguf(path: Path, **numbers: int | list[int]) -> Path:
    """A header and nothing behind it."""
    pairs = [text("general.architecture") + struct.pack("<I", 8) + text("tiny")]
    for name, value in numbers.items():
        if isinstance(value, list):
            kind = struct.pack("<IIQ", 9, 4, len(value)) + struct.pack(f"<{len(value)}I", *value)
        else:
            kind = struct.pack("<II", 4, value)
        pairs.append(text(f"tiny.{name.replace('__', '.')}") + kind)
    vocabulary = text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("b")
    pairs.append(vocabulary)
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs)) + b"".join(pairs))
    return path


def test_arrays_are_told_by_their_length_and_first_number(tmp_path: Path) -> None:
    said = gguf_header.arrays(gguf(tmp_path / "m.gguf", block_count=2, heads=[3, 4]))
    assert said == {"tiny.heads": (2, 3), "tokenizer.ggml.tokens": (2, None)}


@pytest.mark.parametrize("content", [b"", b"GGUF", b"NOPE" + bytes(40), b"GGUF" + b"\xff" * 40])
def test_a_header_that_can_not_be_read_gives_no_shape(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.gguf").write_bytes(content)
    assert shape_in(tmp_path / "m.gguf") is None


def test_rows_are_as_long_as_the_model_was_made_for_while_there_is_room() -> None:
    assert SMALL.token_bytes == 23_040
    assert row_tokens(SMALL, 8, 0, 64 * 2**30) == 8192
    assert row_tokens(SMALL, 8, 0, 2**30) == 1280
    assert row_tokens(SMALL, 8, 0, 1) == 1024
    assert row_tokens(SMALL, 8, 4096, 1) == 4096
    assert row_tokens(SMALL, 8, 99_999, 1) == 8192


def test_the_need_follows_the_header_and_the_settings(tmp_path: Path) -> None:
    path = gguf(
        tmp_path / "m.gguf",
        context_length=2048,
        block_count=4,
        embedding_length=64,
        attention__head_count=4,
        attention__head_count_kv=[2, 2, 2, 2],
    )
    loaded = WorkerSettings(
        model_path=tmp_path,
        model_name="m.gguf",
        slots=3,
        prefix_cache_mb=1,
        data_dir=tmp_path / "data",
        model_cache=tmp_path / "cache",
    )
    found = memory_need.needed(loaded, room_bytes=2**30)
    assert (found.runs_as, found.context_tokens, found.slots) == ("as-is", 2048, 3)
    assert found.cells_bytes == 3 * 2048 * (2 * 2 * 4 * 2 * 16)
    assert found.file_bytes == path.stat().st_size
    assert found.total_bytes == (
        found.file_bytes + found.cells_bytes + found.step_bytes + 1_000_000 + memory_need.PROCESS_BYTES
    )


def test_the_echo_engine_needs_no_model() -> None:
    found = memory_need.needed(WorkerSettings(engine="echo"), 2**30)
    assert (found.model, found.total_bytes) == ("", memory_need.PROCESS_BYTES)


def test_rows_are_computed_from_the_heads_own_sizes(tmp_path: Path) -> None:
    """0.6 billion weights, and heads of 128 where the embedding divided by the heads is 64."""
    path = gguf(
        tmp_path / "m.gguf",
        context_length=40_960,
        block_count=28,
        embedding_length=1024,
        attention__head_count=16,
        attention__head_count_kv=8,
        attention__key_length=128,
        attention__value_length=128,
    )
    shape = shape_in(path)
    assert shape
    assert 8 * 8192 * shape.token_bytes == 7_516_192_768


def test_layers_without_attention_take_nothing(tmp_path: Path) -> None:
    path = gguf(
        tmp_path / "m.gguf",
        context_length=4096,
        block_count=4,
        embedding_length=64,
        attention__head_count=[4, 4, 4, 4],
        attention__head_count_kv=[0, 0, 2, 0],
    )
    shape = shape_in(path)
    assert shape
    assert shape.token_bytes == 2 * 2 * 2 * 16


def with_tensor(path: Path, data_bytes: int, **kinds: str) -> Path:
    """A model of one tensor of 64 numbers as F16, which are 128 bytes."""
    keys = {"general.architecture": "tiny", **{name.replace("__", "."): kind for name, kind in kinds.items()}}
    pairs = b"".join(text(name) + struct.pack("<I", 8) + text(value) for name, value in keys.items())
    tensor = text("output.weight") + struct.pack("<IQIQ", 1, 64, 1, 0)
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, len(keys)) + pairs + tensor
    path.write_bytes(head + bytes(-len(head) % 32) + bytes(data_bytes))
    return path


def test_a_whole_model_is_sound(tmp_path: Path) -> None:
    soundness.check(with_tensor(tmp_path / "m.gguf", 128))


def test_files_that_hold_no_whole_language_model_are_refused_in_one_sentence(tmp_path: Path) -> None:
    cases = {
        "is cut off": with_tensor(tmp_path / "a.gguf", 127),
        "projector for images": with_tensor(tmp_path / "b.gguf", 128, general__architecture="clip"),
        "is an adapter": with_tensor(tmp_path / "c.gguf", 128, general__type="adapter"),
        "holds a vocabulary and no weights": gguf(tmp_path / "d.gguf", block_count=2),
        "the header of e.gguf can't be read": tmp_path / "e.gguf",
        "name its first part, f-00001-of-00002.gguf": with_tensor(tmp_path / "f-00002-of-00002.gguf", 128),
        "g-00002-of-00002.gguf is missing": with_tensor(tmp_path / "g-00001-of-00002.gguf", 128),
    }
    (tmp_path / "e.gguf").write_bytes(b"GGUF" + bytes(30)[:10])
    for words, path in cases.items():
        with pytest.raises(SettingsError, match=rf"^MODEL_NAME: [^\n]*{words}[^\n]*\.$"):
            soundness.check(path)


def test_a_model_in_parts_is_one_model_with_all_its_parts(tmp_path: Path) -> None:
    files = [with_tensor(tmp_path / f"m-{number:05}-of-00003.gguf", 128) for number in (1, 2, 3)]
    other = with_tensor(tmp_path / "other.gguf", 128)
    assert parts.parts_of(files[0]) == files
    assert parts.models_in(tmp_path) == [files[0], other]
    assert parts.size_of(files[0]) == sum(file.stat().st_size for file in files)
    soundness.check(files[0])
