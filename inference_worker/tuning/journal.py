"""Measurements of an interrupted tuning, in their order, so that the next one continues where it ended.

A search asks for the same candidates in the same order as long as it gets the same figures. One line of JSON for each
measurement; a line that was cut off is as if it had not been written.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path

import msgspec

from contract.errors import EngineError
from inference_worker.model_files.choice import Candidate
from inference_worker.tuning.trials import Failed, Measurement

Measure = Callable[[Candidate], Measurement]


class _Line(msgspec.Struct, frozen=True):
    candidate: Candidate
    outcome: Measurement | Failed


class Journal:
    """Gives what was measured before, then measures and writes that down."""

    def __init__(self, path: Path, measure: Measure) -> None:
        """`path` names all that the figures depend on: file, machine, library."""
        self._path = path
        self._measure = measure
        self._former = _taken_up(path)

    def measure(self, candidate: Candidate) -> Measurement:
        """The next measurement of the candidate; raises EngineError where it could not be measured."""
        outcome = self._next(candidate) or self._made(candidate)
        if isinstance(outcome, Failed):
            raise EngineError(outcome.sentence)
        return outcome

    def end(self) -> None:
        """Delete all measurements, once there is a choice."""
        self._path.unlink(missing_ok=True)

    def _next(self, candidate: Candidate) -> Measurement | Failed | None:
        if self._former and self._former[0].candidate == candidate:
            return self._former.pop(0).outcome
        # Another release searches in another order: what is left says nothing any more.
        if self._former:
            self._former.clear()
            self._path.unlink(missing_ok=True)
        return None

    def _made(self, candidate: Candidate) -> Measurement | Failed:
        outcome: Measurement | Failed
        try:
            outcome = self._measure(candidate)
        except EngineError as error:
            outcome = Failed(str(error))
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode(_Line(candidate, outcome)) + b"\n")
        return outcome


def _taken_up(path: Path) -> list[_Line]:
    """The whole lines; what follows them is cut off, so that the next line can be read."""
    found: list[_Line] = []
    with contextlib.suppress(FileNotFoundError), path.open("rb+") as file:
        end = 0
        with contextlib.suppress(msgspec.DecodeError):
            for line in file:
                if not line.endswith(b"\n"):
                    break
                found.append(msgspec.json.decode(line, type=_Line))
                end += len(line)
        file.truncate(end)
    return found
