"""What was measured of a model: whether its own words or the document's sentences are right more often.

Kept beside the tuning's choices, under the file's size and first bytes. `docqa bench answers` writes it, the worker
reads it.
"""

import hashlib
from pathlib import Path
from typing import Final, Literal

import msgspec

from contract.runtime.files import write_atomically

_HEAD_BYTES: Final = 1 << 20


class AnswerChoice(msgspec.Struct, frozen=True, kw_only=True):
    """The style that `auto` stands for with this model."""

    model: str
    style: Literal["write", "quote"]
    written_right: float
    """The share of questions, 0 to 1, whose answer the model's words held."""
    quoted_right: float
    questions: int
    dataset: str
    measured_at: str


def kept(model: Path, cache: Path) -> AnswerChoice | None:
    """What was measured of the file; None if nothing was, or if it can't be read."""
    try:
        return msgspec.json.decode(_place(model, cache).read_bytes(), type=AnswerChoice)
    except (OSError, msgspec.DecodeError):
        return None


def keep(model: Path, cache: Path, choice: AnswerChoice) -> Path:
    """Store what was measured; returns where. Raises OSError."""
    place = _place(model, cache)
    write_atomically(place, msgspec.json.format(msgspec.json.encode(choice)))
    return place


def _place(model: Path, cache: Path) -> Path:
    with model.open("rb") as file:
        head = hashlib.sha256(file.read(_HEAD_BYTES))
    head.update(str(model.stat().st_size).encode())
    return cache / "answers" / f"{head.hexdigest()[:32]}.json"
