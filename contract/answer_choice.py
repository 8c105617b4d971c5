"""What was measured of a model: the style in which it is right more often, and what it reads of a document.

Kept beside the tuning's choices, under the file's size and first bytes; of the bundled model it ships in the folder
`measured_models` beside this file. `docqa models compare` writes it, the worker reads it.
"""

import hashlib
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal

import msgspec

from contract.runtime.files import write_atomically

_HEAD_BYTES: Final = 1 << 20


EVIDENCE_TOKENS: Final = 400
"""So much evidence does a model read of which nothing was measured (docs/answers.md says why)."""


class AnswerChoice(msgspec.Struct, frozen=True, kw_only=True):
    """The style that `auto` stands for with this model, and what it reads of a document when it writes."""

    model: str
    style: Literal["write", "quote"]
    written_right: float
    """The share of questions, 0 to 1, whose answer the model's words held."""
    quoted_right: float
    questions: int
    dataset: str
    measured_at: str
    is_decided: bool = True
    """False where the questions were too few to tell the styles apart: then it is what was right more often in them."""
    evidence_tokens: int | None = EVIDENCE_TOKENS
    """The most evidence that it reads of a longer document; None: it reads the whole document."""


def kept(model: Path, cache: Path) -> AnswerChoice | None:
    """What was measured of the file, here or by the project; None if nothing was, or if it can't be read."""
    try:
        name = _name(model)
    except OSError:
        return None
    for place in (cache / "answers" / name, files("contract").joinpath("measured_models", name)):
        try:
            return msgspec.json.decode(place.read_bytes(), type=AnswerChoice)
        except (OSError, msgspec.DecodeError):
            continue
    return None


def keep(model: Path, cache: Path, choice: AnswerChoice) -> Path:
    """Store what was measured; returns where. Raises OSError."""
    place = cache / "answers" / _name(model)
    write_atomically(place, msgspec.json.format(msgspec.json.encode(choice)))
    return place


def _name(model: Path) -> str:
    with model.open("rb") as file:
        head = hashlib.sha256(file.read(_HEAD_BYTES))
    head.update(str(model.stat().st_size).encode())
    return f"{head.hexdigest()[:32]}.json"
