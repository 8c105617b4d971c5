"""What one trial of a candidate is asked for and answers. Knows neither the model nor who runs it."""

from pathlib import Path

import msgspec

from inference_worker.model_files.choice import Candidate, Speed


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate, and where its files are."""

    candidate: Candidate
    given: Path
    file: Path
    """The given file as the candidate's quantisation; made of it when it is not there."""
    reference: Path
    """What the given file says to the text of the quality gate; written by the trial that finds it missing."""
    judge: bool = True
    """Compare what it says with the reference, and time it only when it passes the gate."""
    parent_pid: int = 0
    """The process that this one must not outlive."""

    def to_json(self) -> bytes:
        return msgspec.json.encode(self, enc_hook=str)

    @classmethod
    def from_json(cls, content: bytes) -> "Trial":
        return msgspec.json.decode(content, type=cls, dec_hook=lambda kind, text: kind(text))


class Measurement(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What a trial found out; `speed` is missing where the candidate says too different things."""

    kl: float | None = None
    speed: Speed | None = None


class Failed(msgspec.Struct, frozen=True, tag=True):
    """Why there is no measurement, in a sentence."""

    sentence: str
