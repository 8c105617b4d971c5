"""What a worker would take in memory, read from a model's header and the settings."""

import struct
from pathlib import Path

import pytest

from inference_worker.llama.kv_size import Shape, row_tokens
from inference_worker.model_files import gguf_header
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
    assert memory_need.shape_in(tmp_path / "m.gguf") is None


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
