"""The ingress and the worker as parts: Python modules that write a ready file once they are ready."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ops.supervisor.keeper import until_written
from ops.supervisor.process import Child, Program, ended_on_error, spawn

_READY_WITHIN_S: Final = 600.0
"""A large model on a slow disk takes its time; whoever waits for it may press Ctrl-C."""
_GIVES_UP_WITHIN_S: Final = 5.0


class Service:
    """One of the project's own processes, run as `python -m MODULE`."""

    def __init__(self, name: str, module: str, environment: Mapping[str, str], data_dir: Path) -> None:
        self.name = name
        self._module = module
        self._environment = dict(environment)
        self._data_dir = data_dir
        self.ready: dict[str, Any] = {}
        """What its ready file said last."""

    async def launch(self) -> Child:
        """Start it and wait for its ready file; raises StartError."""
        ready_file = self._data_dir / "run" / f"{self.name}.json"
        ready_file.unlink(missing_ok=True)
        command = [sys.executable, "-m", self._module, "--ready-file", str(ready_file)]
        child = await spawn(Program(self.name, command, self._environment, self._data_dir))
        async with ended_on_error(child, _GIVES_UP_WITHIN_S):
            self.ready = await until_written(ready_file, child, _READY_WITHIN_S)
        return child

    async def ended(self, child: Child) -> str:
        """Wait for its end; how it ended, in words."""
        return await child.ended()

    def settle(self, **environment: str) -> None:
        """Keep what was picked at the first start for all later ones, so that clients find it again."""
        self._environment |= environment
