"""The file that tells other programs where everything is: there only while it is true."""

import json
from collections.abc import Mapping
from pathlib import Path

from contract.runtime.files import write_atomically


class ReadyFile:
    """Written once all is ready, written again after a restart, removed at the end."""

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
