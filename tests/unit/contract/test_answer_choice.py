"""What was measured of a model is kept under the file, wherever it lies."""

from pathlib import Path

from contract import answer_choice
from contract.answer_choice import AnswerChoice

CHOICE = AnswerChoice(
    model="a.gguf",
    style="quote",
    written_right=0.3,
    quoted_right=0.86,
    questions=100,
    dataset="d.json",
    measured_at="2026-11-27T22:00:00Z",
)


def test_it_goes_with_the_file_and_not_with_its_name(tmp_path: Path) -> None:
    first, copy, other = (tmp_path / name for name in ("a.gguf", "b.gguf", "c.gguf"))
    first.write_bytes(b"GGUF one")
    copy.write_bytes(b"GGUF one")
    other.write_bytes(b"GGUF two")
    assert answer_choice.kept(first, tmp_path) is None
    answer_choice.keep(first, tmp_path, CHOICE)
    assert answer_choice.kept(copy, tmp_path) == CHOICE
    assert answer_choice.kept(other, tmp_path) is None


def test_what_can_not_be_read_is_as_if_nothing_had_been_measured(tmp_path: Path) -> None:
    model = tmp_path / "a.gguf"
    model.write_bytes(b"GGUF one")
    answer_choice.keep(model, tmp_path, CHOICE).write_bytes(b"{")
    assert answer_choice.kept(model, tmp_path) is None
    assert answer_choice.kept(tmp_path / "gone.gguf", tmp_path) is None
