"""`docqa nats` as a process, on a folder of a test's own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from contract.bus import connected
from contract.settings import BusSettings, Secret

WITHIN_S = 30.0


class NatsCommand:
    """One `docqa nats` on a folder."""

    def __init__(self, folder: Path) -> None:
        self.data_dir = folder / "data"
        self.ready_file = folder / "ready.json"

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "ops", "nats", "--data-dir", str(self.data_dir), *arguments]

    def start(self, **environment: str) -> None:
        self.ready_file.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            self.command("--ready-file", str(self.ready_file)),
            env=os.environ | environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(self.ready_file.exists)

    def ready(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.ready_file.read_bytes())
        return found

    def server(self) -> psutil.Process:
        return psutil.Process(self.ready()["pids"]["nats"])

    def bus(self) -> Any:
        password = Secret((Path(self.ready()["credentials"]) / "admin").read_text(encoding="ascii"))
        return connected(BusSettings(nats_url=self.ready()["nats_url"], nats_password=password), "admin")

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.process.wait(WITHIN_S)


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
