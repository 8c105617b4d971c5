"""Starts parts of the system as processes in a temporary folder, and ends them."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

from bench.harness.errors import BenchError

READY_WITHIN_S: Final = 60.0
STOPPED_WITHIN_S: Final = 30.0


@contextlib.asynccontextmanager
async def folder() -> AsyncIterator[Path]:
    """A temporary folder with a short name (a Unix socket's path is limited to 107 bytes), removed at the end."""
    path = Path(tempfile.mkdtemp(prefix="dq"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.asynccontextmanager
async def part(work: Path, name: str, *arguments: str, **environment: str) -> AsyncIterator[dict[str, Any]]:
    """Run `python <arguments> --ready-file ...` until the block ends; yields what its ready file says."""
    ready_file = work / f"{name}.json"
    with (work / f"{name}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, "--ready-file", str(ready_file),
            env={**clean_environment(), **environment}, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        yield await _ready(ready_file, process, work / f"{name}.log")
    finally:
        await _stop(process)


class Kept:
    """`python <arguments> --ready-file ...`, which can be killed and started again."""

    def __init__(self, work: Path, name: str, *arguments: str, **environment: str) -> None:
        self._ready_file = work / f"{name}.json"
        self._log = work / f"{name}.log"
        self._command = (sys.executable, *arguments, "--ready-file", str(self._ready_file))
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> dict[str, Any]:
        """Until it is ready: what its ready file says. Raises BenchError."""
        self._ready_file.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, env={**clean_environment(), **self._environment}, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        return await _ready(self._ready_file, self._process, self._log)

    @property
    def pid(self) -> int:
        """Raises ValueError before the first start."""
        if self._process is None:
            raise ValueError("it was never started")
        return self._process.pid

    async def kill(self) -> None:
        """SIGKILL, to it alone."""
        if self._process:
            self._process.kill()
            await self._process.wait()

    async def stop(self) -> None:
        if self._process and self._process.returncode is None:
            await _stop(self._process)


def clean_environment() -> dict[str, str]:
    """This process's environment without settings of another system, and without tuning during a measurement."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("DOCQA_")}
    return {**kept, "DOCQA_TUNE": "off"}


async def _ready(ready_file: Path, process: asyncio.subprocess.Process, log: Path) -> dict[str, Any]:
    started_s = time.monotonic()
    while not ready_file.exists():
        if process.returncode is not None or time.monotonic() - started_s > READY_WITHIN_S:
            raise BenchError(f"{log.stem} did not start: {log.read_text(errors='replace')[-2000:]}")
        await asyncio.sleep(0.02)
    described: dict[str, Any] = json.loads(ready_file.read_text())
    return described


async def _stop(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), STOPPED_WITHIN_S)
    except TimeoutError:
        process.kill()
        await process.wait()
