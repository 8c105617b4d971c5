"""Headers of model files, also broken ones: what can be read is read, and nothing but a sentence comes of the rest."""

import contextlib
import struct
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from contract.errors import SettingsError
from inference_worker.model_files import gguf_header, soundness
from inference_worker.model_files.shape import shape_in
from tests.support.gguf import gguf

_ARRAY = 9


def read_all(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.gguf"
        path.write_bytes(content)
        gguf_header.metadata(path)
        gguf_header.arrays(path)
        gguf_header.number_lists(path)
        gguf_header.file_type(path)
        shape_in(path)
        with contextlib.suppress(SettingsError):
            soundness.check(path)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_header_or_none(content: bytes) -> None:
    read_all(b"GGUF" + content)


@given(st.integers(0, 250), st.binary(min_size=1, max_size=8))
def test_a_header_that_is_damaged_anywhere_is_a_header_or_none(at: int, damage: bytes) -> None:
    whole = gguf(general__name="tiny")
    read_all(whole[:at] + damage + whole[at + len(damage) :])


@given(st.integers(0, 300))
def test_a_header_that_is_cut_anywhere_is_a_header_or_none(size: int) -> None:
    read_all(gguf(general__name="tiny")[:size])


def test_arrays_in_arrays_without_an_end_are_no_header() -> None:
    nested = struct.pack("<IQ", _ARRAY, 1) * 100_000
    read_all(struct.pack("<4sIQQ", b"GGUF", 3, 1, 1) + struct.pack("<Q", 1) + b"x" + struct.pack("<I", _ARRAY) + nested)
