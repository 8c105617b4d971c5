"""The folders of converted models, with the tuning's choices for them.

One folder for each source file and release of the library:

    <root>/hashes.json
    <root>/<sha256>-<library>/choice-<machine>.json
    <root>/<sha256>-<library>/<model>-as-q8_0.gguf  and its .sha256
    <root>/<sha256>-<library>/unfinished/           cleared at the next start
"""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from contract.errors import AlreadyRunningError
from contract.runtime.files import make_folder, write_atomically
from contract.runtime.lock import locked
from inference_worker.model_files import choice
from inference_worker.model_files.choice import Choice
from inference_worker.model_files.file_hash import sha256_of
from inference_worker.model_files.machine import Machine

Make = Callable[[Path, Path, str], None]
"""Converts a source into a target of a quantization; raises EngineError or OSError."""


class ModelFolder:
    """The folder of one source file. Whatever is killed, no half-written file is ever found here."""

    def __init__(self, root: Path, given: Path, library: str) -> None:
        """`library`: the release that files are made and measured with. Raises OSError when `given` can't be read."""
        self._memory_file = root / "hashes.json"
        self._given = given
        self.given_sha256 = sha256_of(given, self._memory_file)
        self.library = library
        self.path = root / f"{self.given_sha256[:16]}-{library}"

    def choice_for(self, machine: Machine) -> Choice | None:
        """The choice measured on such a machine, if there is one."""
        return choice.load(self._choice_file(machine))

    def keep_choice(self, chosen: Choice) -> None:
        choice.save(chosen, self._choice_file(chosen.machine))

    def made(self, quantization: str) -> Path | None:
        """The converted file, if it is there and still has the hash that was written."""
        for path in self.path.glob(f"*-as-{quantization}.gguf"):
            with contextlib.suppress(OSError, IndexError):
                if _sums(path).read_text(encoding="utf-8").split()[0] == sha256_of(path, self._memory_file):
                    return path
        return None

    def keep_made(self, unfinished: Path, quantization: str) -> Path:
        """Move a whole file to its place; it counts only with its hash beside it."""
        path = self.path / f"{self._given.stem}-as-{quantization}.gguf"
        with unfinished.open("rb+") as file:
            os.fsync(file.fileno())
        _sums(path).unlink(missing_ok=True)
        unfinished.replace(path)
        line = f"{sha256_of(path, self._memory_file)}  {path.name}\n"  # as `sha256sum --check` reads it
        write_atomically(_sums(path), line.encode())
        return path

    def make(self, quantization: str, make: Make) -> Path:
        """The source file as `quantization`, converted now if it is not there; raises EngineError or OSError."""
        with self.locked() as unfinished:
            if found := self.made(quantization):
                return found
            target = unfinished / f"{quantization}.gguf"
            make(self._given, target, quantization)
            return self.keep_made(target, quantization)

    @contextlib.contextmanager
    def locked(self, *, wait: bool = True) -> Iterator[Path]:
        """Hold the folder for the time of a block; yields a place for unfinished files, empty before and after.

        Without `wait` it raises AlreadyRunningError when another process holds it.
        """
        make_folder(self.path)
        busy = (
            "Another process is tuning this model, maybe an idle worker (`docqa status` shows how far it is): "
            "wait until it has ended, or stop it."
        )
        with locked(self.path / "lock", busy, wait=wait):
            # Only the holder of the lock writes there: what is found was left by a killed process.
            unfinished = self._unfinished
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            try:
                yield unfinished
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)

    def clear_leftovers(self) -> None:
        """Remove what a killed process left half-written, unless one is at work."""
        with contextlib.suppress(AlreadyRunningError, OSError):
            if self._unfinished.exists():
                with self.locked(wait=False):
                    pass

    @property
    def _unfinished(self) -> Path:
        return self.path / "unfinished"

    def _choice_file(self, machine: Machine) -> Path:
        return self.path / f"choice-{machine.key}.json"


def _sums(path: Path) -> Path:
    return path.with_suffix(".sha256")
