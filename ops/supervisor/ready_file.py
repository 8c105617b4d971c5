"""The ready file, which gives other programs the addresses of the system; it exists only while they are valid."""

import json
from collections.abc import Mapping
from pathlib import Path

from contract.runtime.files import write_atomically


class ReadyFile:
    """Written when the system is ready, rewritten after a restart, removed at the end."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        if path:
            path.unlink(missing_ok=True)

    def write(self, content: Mapping[str, object]) -> None:
        if self._path:
            write_atomically(self._path, json.dumps(content).encode())

    def remove(self) -> None:
        if self._path:
            self._path.unlink(missing_ok=True)
