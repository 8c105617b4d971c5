"""Vectors as they are stored, and how alike they are."""

from pathlib import Path

import numpy as np
import pytest

from contract.embedding import Packed, Vectors, cosines
from contract.embedding.bert import weight_steps
from contract.embedding.vectors import unit


@pytest.fixture
def vectors() -> Vectors:
    drawn = np.random.default_rng(7).standard_normal((2500, 384)).astype(np.float32)
    return unit(drawn)


def test_cosines_of_packed_vectors_are_those_of_the_vectors(vectors: Vectors) -> None:
    exact, packed = cosines(vectors[3], vectors), cosines(vectors[3], Packed.of(vectors))
    assert len(packed) == len(vectors)
    np.testing.assert_allclose(packed, exact, atol=0.005)


def test_what_is_stored_comes_back(vectors: Vectors) -> None:
    packed = Packed.of(vectors)
    stored = packed.to_bytes()
    again = Packed.from_bytes(stored, dimensions=384)
    assert {len(blob) for blob in stored} == {388}
    np.testing.assert_array_equal(again.codes, packed.codes)
    np.testing.assert_array_equal(again.scales, packed.scales)


def test_unpacked_vectors_have_length_one_and_almost_their_direction(vectors: Vectors) -> None:
    unpacked = Packed.of(vectors).unpacked()
    assert (unpacked * vectors).sum(axis=1).min() > 0.9999


def test_no_vectors_are_stored_and_compared_too() -> None:
    empty = Packed.from_bytes([], dimensions=384)
    assert empty.to_bytes() == []
    assert cosines(np.ones(384, np.float32), empty) == []


def test_zeros_are_like_nothing() -> None:
    assert cosines(np.ones(4, np.float32), Packed.of(np.zeros((2, 4), np.float32))) == [0.0, 0.0]


def test_a_vector_of_another_size_is_refused(vectors: Vectors) -> None:
    with pytest.raises(ValueError, match="has not 768 dimensions"):
        Packed.from_bytes(Packed.of(vectors[:1]).to_bytes(), dimensions=768)


@pytest.mark.parametrize(("flags", "steps"), [("avx2 avx512_vnni", 127), ("avx2 avx_vnni", 127), ("avx2", 63)])
def test_weights_are_coarser_where_the_processor_would_overflow(
    tmp_path: Path, flags: str, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(f"flags\t\t: {flags}\n")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert weight_steps(file) == steps
