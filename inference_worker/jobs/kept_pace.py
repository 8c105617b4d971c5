"""The pace of earlier loads, kept in a file beside the worker's other data, so that it is known from the start."""

from pathlib import Path
from typing import Final

import msgspec
import structlog

from contract.runtime.files import write_atomically

WORTH: Final = 0.1
"""A change of less than this part is not written."""

log = structlog.get_logger(__name__)


class _Kept(msgspec.Struct, frozen=True):
    model: str
    slots: int
    jobs_per_s: float


class KeptPace:
    """One worker's pace; what was measured with another model, or other slots, is not used."""

    def __init__(self, path: Path, model: str, slots: int) -> None:
        self._path = path
        self._model = model
        self._slots = slots
        self._written = self.read()

    def read(self) -> float:
        """Jobs per second while all slots are busy; 0 if none are known."""
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=_Kept)
        except (OSError, msgspec.DecodeError):
            return 0.0
        is_same = (kept.model, kept.slots) == (self._model, self._slots)
        return kept.jobs_per_s if is_same and 0 < kept.jobs_per_s < float("inf") else 0.0

    def has_changed(self, jobs_per_s: float) -> bool:
        """Whether it is worth writing."""
        return abs(jobs_per_s - self._written) > WORTH * max(self._written, jobs_per_s)

    def write(self, jobs_per_s: float) -> None:
        """Best effort: without it the next start expects what the model's own measurement says. Blocks for the disk."""
        self._written = jobs_per_s
        kept = _Kept(self._model, self._slots, round(jobs_per_s, 3))
        try:
            write_atomically(self._path, msgspec.json.encode(kept))
        except OSError as error:
            log.info("the pace of jobs was not kept", path=str(self._path), reason=str(error))
