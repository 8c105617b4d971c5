"""Runs trials, each in a process of its own with a time limit, and keeps the files that they convert.

Knows nothing of what is tried in which order (`search`) or how it is measured (`tools.tuning_trial`).
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec

from contract.errors import EngineError
from inference_worker.llama.binding.library import quantize
from inference_worker.model_files.choice import AS_IS, Candidate, Speed
from inference_worker.model_files.quantized import ModelFolder
from inference_worker.tuning import shipped_kl
from inference_worker.tuning.quality import GATE_KL


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate, and where its files are."""

    candidate: Candidate
    given: Path
    file: Path
    """The source file as the candidate's quantization; converted when it is not there."""
    reference: Path
    """The source file's log probabilities over the quality text; written by the trial that finds them missing."""
    measures_kl: bool = True
    """Compare it with the reference, and time it only if it passes the quality gate."""
    parent_pid: int = 0
    """The process that this one must not outlive."""

    def to_json(self) -> bytes:
        return msgspec.json.encode(self, enc_hook=str)

    @classmethod
    def from_json(cls, content: bytes) -> "Trial":
        return msgspec.json.decode(content, type=cls, dec_hook=lambda kind, text: kind(text))


class Measurement(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A trial's result; `speed` is missing where the candidate differs too much from the source file."""

    kl: float | None = None
    speed: Speed | None = None


class Failed(msgspec.Struct, frozen=True, tag=True):
    """Why there is no measurement, in a sentence."""

    sentence: str


LIMIT_S: Final = 900.0
"""A file of some gigabytes takes minutes to be made; what takes longer than this is not worth it."""


class TrialError(EngineError):
    """A candidate could not be measured."""


class Trials:
    """Measures candidates for one source file. `unfinished` is a folder that the caller removes."""

    def __init__(self, given: Path, folder: ModelFolder, unfinished: Path, limit_s: float = LIMIT_S) -> None:
        self._given = given
        self._folder = folder
        self._unfinished = unfinished
        self.limit_s = limit_s
        self._known_kl: dict[shipped_kl.Said, float | None] = dict(shipped_kl.of(folder.given_sha256))

    def measure(self, candidate: Candidate) -> Measurement:
        """Compare and time one candidate; raises TrialError with the reason where that fails."""
        said_by = _what_is_said_depends_on(candidate)
        known_kl = self._known_kl.get(said_by)
        if known_kl is not None and known_kl > GATE_KL:
            return Measurement(kl=known_kl)
        trial = Trial(
            candidate=candidate,
            given=self._given,
            file=self.file_of(candidate.quantization),
            reference=self._unfinished / "reference.npy",
            measures_kl=said_by not in self._known_kl,
            parent_pid=os.getpid(),
        )
        try:
            measured = self._run(trial)
        except TrialError:
            self._drop(candidate.quantization)
            raise
        if measured.speed is None:
            self._drop(candidate.quantization)
        kl = self._known_kl.setdefault(said_by, measured.kl)
        return msgspec.structs.replace(measured, kl=kl)

    def keep(self, quantization: str) -> None:
        """Move a candidate's file to where the worker finds it; raises OSError or EngineError."""
        file = self.file_of(quantization)
        if file.parent == self._unfinished:
            if not file.exists():
                # What was measured before an interruption was not made again.
                quantize(self._given, file, quantization)
            self._folder.keep_made(file, quantization)

    def file_of(self, quantization: str) -> Path:
        """Where a candidate's file is, or will be made."""
        if quantization == AS_IS:
            return self._given
        return self._folder.made(quantization) or self._unfinished / f"{quantization}.gguf"

    def _run(self, trial: Trial) -> Measurement:
        command = [sys.executable, "-m", "inference_worker.tools.tuning_trial"]
        try:
            done = subprocess.run(
                command,
                input=trial.to_json(),
                capture_output=True,
                timeout=self.limit_s,
                check=False,
                # As the worker runs it; threads that spin while they wait would be measured as working.
                env={**os.environ, "OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"},
            )
        except subprocess.TimeoutExpired:
            raise TrialError(f"It took longer than {self.limit_s:.0f} s.") from None
        return _read(done)

    def _drop(self, quantization: str) -> None:
        """Delete a file that is large and was not chosen."""
        if quantization != AS_IS:
            for suffix in (".gguf", ".part"):
                (self._unfinished / f"{quantization}{suffix}").unlink(missing_ok=True)


def _what_is_said_depends_on(candidate: Candidate) -> shipped_kl.Said:
    """Candidates that are alike in this compute the same numbers, but for their last digits."""
    options = candidate.options
    return candidate.quantization, options.flash_attention, options.kv_type, options.gpu_layers


def _read(done: subprocess.CompletedProcess[bytes]) -> Measurement:
    try:
        reply = msgspec.json.decode(done.stdout, type=Measurement | Failed)
    except msgspec.DecodeError:
        words = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise TrialError(f"The process ended with status {done.returncode}: {words or 'it said nothing'}") from None
    if isinstance(reply, Failed):
        raise TrialError(reply.sentence)
    return reply
