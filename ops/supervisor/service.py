"""The project's own services as parts: Python modules that write a ready file once they are ready."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ops.supervisor.process import Child, Program, ended_on_error, spawn
from ops.supervisor.supervisor import until_written

_READY_WITHIN_S: Final = 600.0
"""A large model on a slow disk takes minutes; the user can press Ctrl-C."""
_STOPS_AFTER_ERROR_WITHIN_S: Final = 5.0


class Service:
    """One of the project's own processes, run as `python -m MODULE`."""

    def __init__(self, name: str, module: str, environment: Mapping[str, str], data_dir: Path) -> None:
        self.name = name
        self._module = module
        self._environment = dict(environment)
        self._data_dir = data_dir
        self.ready: dict[str, Any] = {}
        """The last content of its ready file."""

    async def launch(self) -> Child:
        """Start it and wait for its ready file; raises StartError."""
        ready_file = self._data_dir / "run" / f"{self.name}.json"
        ready_file.unlink(missing_ok=True)
        command = [sys.executable, "-m", self._module, "--ready-file", str(ready_file)]
        child = await spawn(Program(self.name, command, self._environment, self._data_dir))
        async with ended_on_error(child, _STOPS_AFTER_ERROR_WITHIN_S):
            self.ready = await until_written(ready_file, child, _READY_WITHIN_S)
        return child

    async def ended(self, child: Child) -> str:
        """Wait until it ends; returns a description of how it ended."""
        return await child.ended()

    def pin(self, **environment: str) -> None:
        """Set variables for all later starts, so that clients find the ports of the first start again."""
        self._environment |= environment
