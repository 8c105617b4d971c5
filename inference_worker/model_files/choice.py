"""The tuning's choice of how a model is run on a machine, with all candidates that were tried.

A JSON file beside the converted files of the model. Knows nothing of how it is measured.
"""

from pathlib import Path
from typing import Final, Literal

import msgspec

from contract.runtime.files import write_atomically
from inference_worker.llama.run_options import RunOptions
from inference_worker.model_files.machine import Machine

AS_IS = "as-is"
"""The quantization of the source file, whatever it is."""

WORTH = 0.95
"""Another candidate takes the place of a simpler one only with at most this part of its time: less is noise."""

QUESTIONS_IN_MIX: Final = 32
"""What is timed: 4 documents, with 8 questions each at a time."""

Verdict = Literal["chosen", "equal", "slower", "too different", "failed", "no room"]
"""`equal`: faster than the chosen one, but within noise, and less exact or more costly."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One way of running the source file."""

    quantization: str = AS_IS
    options: RunOptions


class Speed(msgspec.Struct, frozen=True, kw_only=True):
    """How fast a candidate did the work that candidates are compared by."""

    prefill_tokens_per_s: float
    decode_tokens_per_s: float
    mix_s: float
    """Seconds for the whole mix: what is compared."""


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate and its result. Without `speed` it was not timed, and `reason` says why."""

    candidate: Candidate
    verdict: Verdict
    kl: float | None = None
    """Mean divergence of its next-token distribution from the source file's, in nats."""
    speed: Speed | None = None
    """Its fastest run: what else runs on a machine can only make a run slower."""
    runs: int = 0
    reason: str = ""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The fastest candidate that answers like the source file, for one file, machine and release of the library."""

    model: str
    model_sha256: str
    library: str
    machine: Machine
    chosen: Candidate
    tried: list[Tried]
    measured_at: str

    @property
    def questions_per_s(self) -> float:
        """As the chosen candidate was measured; 0 if it was not timed."""
        speeds = [tried.speed for tried in self.tried if tried.candidate == self.chosen and tried.speed]
        return QUESTIONS_IN_MIX / speeds[0].mix_s if speeds and speeds[0].mix_s > 0 else 0.0

    def options_for(self, quantization: str) -> RunOptions:
        """The fastest options that were measured for a quantisation, else those of the chosen one.

        Flash attention adds in half precision and in tiles, so that an answer depends on who is computed beside it:
        the usual way goes first where the other one is faster by no more than noise.
        """
        timed = [
            (tried.speed.mix_s, tried.candidate.options)
            for tried in self.tried
            if tried.speed and tried.candidate.quantization == quantization
        ]
        if quantization == self.chosen.quantization or not timed:
            return self.chosen.options
        fastest_s = min(mix_s for mix_s, _ in timed)
        equals = [(mix_s, options) for mix_s, options in timed if WORTH * mix_s <= fastest_s]
        return min(equals, key=lambda one: (one[1].flash_attention, one[0]))[1]


def load(path: Path) -> Choice | None:
    """The stored choice; None when there is none that this version can read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Choice)
    except (OSError, msgspec.DecodeError):
        return None


def save(choice: Choice, path: Path) -> None:
    """Replace what is stored at once; raises OSError."""
    write_atomically(path, msgspec.json.format(msgspec.json.encode(choice), indent=2) + b"\n")
