"""A library as a process of its own, which a test kills at moments that it draws."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec

from tests.support.nats_server import RunningServer
from tests.support.waiting import eventually


class LibraryProcess:
    """Started again it works on the same folder."""

    def __init__(self, server: RunningServer, data_dir: Path, log: Path, **environment: str) -> None:
        self._server = server
        self._data_dir = data_dir
        self._log = log
        self._environment = environment
        self._ready = log.with_suffix(".ready")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._ready.unlink(missing_ok=True)
        environment = os.environ | {
            "DOCQA_NATS_URL": self._server.url,
            "DOCQA_NATS_PASSWORD": self._server.credentials.read("library"),
            "DOCQA_DATA_DIR": str(self._data_dir),
            "DOCQA_METRICS_ADDR": "127.0.0.1:0",
            "DOCQA_ACK_WAIT_S": "2",
            "DOCQA_EMBEDDING_MODEL": "off",
            **self._environment,
        }
        command = [sys.executable, "-m", "library", "--ready-file", str(self._ready)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    async def ready(self) -> dict[str, object]:
        async def probe() -> dict[str, object] | None:
            assert self._process
            assert self._process.poll() is None, self._log.read_text()
            return msgspec.json.decode(self._ready.read_bytes()) if self._ready.exists() else None

        return await eventually(probe, "the library is ready", 60)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Its exit status."""
        process = self._process
        if process is None:
            return 0
        process.send_signal(number)
        self._process = None
        return await asyncio.to_thread(process.wait, 30)
