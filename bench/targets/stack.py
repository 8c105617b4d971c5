"""A stack for a benchmark: `docqa up` in a temporary folder, with more workers if jobs take different times.

Knows what users know: the command, its ready file, the settings. Always ends what it started.
"""

import contextlib
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from bench.targets.processes import folder, part
from contract.bus import Bus, connected
from contract.settings import BusSettings, Secret

WHOLE_AND_WRITTEN: Final = {"DOCQA_STYLE": "write", "DOCQA_READ": "whole"}
"""What a model's figures are always taken with: neither quotes nor excerpts may pass for its speed."""


class StackOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How the stack is started. `delays_s`: one echo worker for each delay.

    A model writes, and reads whole documents, unless `environment` says otherwise.
    """

    engine: Literal["echo", "llama"] = "echo"
    delays_s: tuple[float, ...] = (2.0,)
    queue_size: int = 10
    slots: int = 8
    environment: dict[str, str] = {}
    bus_folder: Path | None = None
    """Data folder, if not in the temporary folder: the full disk needs a small file system."""
    logs: Path | None = None
    """Folder for the logs of all parts after the run."""

    @property
    def settings(self) -> dict[str, str]:
        """The environment of all parts."""
        return {**(WHOLE_AND_WRITTEN if self.engine == "llama" else {}), **self.environment}


class Stack:
    """A running stack. Its addresses stay; process ids change and are read again each time."""

    def __init__(self, options: StackOptions, ready_file: Path, ready: dict[str, Any], beside: dict[str, int]) -> None:
        self._options = options
        self._ready_file = ready_file
        self._ready = ready
        self._beside = beside

    @property
    def uds(self) -> str:
        return str(self._ready["uds"])

    @property
    def tcp(self) -> str:
        """HOST:PORT."""
        return str(self._ready["http"]).removeprefix("http://")

    @property
    def worker_metrics(self) -> str:
        """HOST:PORT."""
        return str(self._ready["metrics"]["worker"]).removeprefix("http://").removesuffix("/metrics")

    @property
    def data_dir(self) -> Path:
        return Path(self._ready["data_dir"])

    def worker_environment(self, delay_s: float) -> dict[str, str]:
        """The variables of one more worker on this stack; `delay_s` is that of the echo engine."""
        return _worker_environment(self._options, self._ready, delay_s)

    def pids(self) -> dict[str, int]:
        """The current process id of each part, from the ready file."""
        with contextlib.suppress(OSError, ValueError):
            self._ready = json.loads(self._ready_file.read_text())
        return {**self._ready["pids"], **self._beside}

    def bus(self) -> contextlib.AbstractAsyncContextManager[Bus]:
        """A connection as admin, which may publish directly and read all stored data."""
        password = (Path(self._ready["credentials"]) / "admin").read_text().strip()
        return connected(BusSettings(nats_url=self._ready["nats_url"], nats_password=Secret(password)), "admin")


@contextlib.asynccontextmanager
async def running(options: StackOptions) -> AsyncIterator[Stack]:
    """A stack for the time of a block."""
    async with folder() as work, contextlib.AsyncExitStack() as parts:
        arguments = _arguments(options, options.bus_folder or work / "data", work / "s")
        ready = await parts.enter_async_context(part(work, "up", "-m", "ops", *arguments, **options.settings))
        beside = {}
        for number, delay_s in enumerate(options.delays_s[1:], 2):
            environment = _worker_environment(options, ready, delay_s)
            worker = part(work, f"worker{number}", "-m", "inference_worker", **environment)
            beside[f"worker{number}"] = (await parts.enter_async_context(worker))["pid"]
        try:
            yield Stack(options, work / "up.json", ready, beside)
        finally:
            if options.logs:
                _keep_logs([*work.glob("*.log"), *Path(ready["data_dir"]).glob("logs/*.log")], options.logs)


def _arguments(options: StackOptions, data_dir: Path, uds: Path) -> list[str]:
    return [
        *("up", "--data-dir", str(data_dir), "--http", "127.0.0.1:0", "--uds", str(uds)),
        *("--engine", options.engine, "--echo-delay", f"{options.delays_s[0]:g}"),
        *("--queue-size", str(options.queue_size), "--slots", str(_slots_each(options))),
    ]


def _worker_environment(options: StackOptions, ready: dict[str, Any], delay_s: float) -> dict[str, str]:
    return {
        **options.settings,
        "DOCQA_NATS_URL": ready["nats_url"],
        "DOCQA_NATS_PASSWORD_FILE": str(Path(ready["credentials"]) / "worker"),
        "DOCQA_METRICS_ADDR": "127.0.0.1:0",
        "DOCQA_ENGINE": options.engine,
        "DOCQA_ECHO_DELAY_S": f"{delay_s:g}",
        "DOCQA_SLOTS": str(_slots_each(options)),
    }


def _keep_logs(files: list[Path], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copy(file, folder / file.name)


def _slots_each(options: StackOptions) -> int:
    return max(options.slots // len(options.delays_s), 1)
