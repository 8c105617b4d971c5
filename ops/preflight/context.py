"""What all checks look at: the settings, and a stack of ours that may run on them already."""

import http.client
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ops.settings import UpSettings
from ops.supervisor import health

_OUR_WORKER: Final = ["-m", "inference_worker"]


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """The settings as a start would read them, and what a running stack says of itself (empty without one)."""

    settings: UpSettings
    environment: Mapping[str, str]
    health: Mapping[str, Any]
    need: Mapping[str, Any]
    """What `inference_worker.tools.memory_need` says; `sentence` alone when the worker would not start."""
    worker_bytes: int = 0
    """What the running stack's workers hold of this machine's memory."""

    @property
    def workers(self) -> list[dict[str, Any]]:
        return list(self.health.get("workers", []))

    @property
    def slots(self) -> int:
        """Of all workers; without one, of the one that would be started."""
        return sum(worker["slots"] for worker in self.workers) or int(self.need.get("slots", 0))


def look(settings: UpSettings, environment: Mapping[str, str]) -> Scene:
    """Look at the running stack, if there is one, and ask the worker's side what it would need."""
    import psutil

    found = health.look(settings.socket_path)
    worker_bytes = _workers_bytes(found)
    free_bytes = psutil.virtual_memory().available + worker_bytes
    return Scene(
        settings=settings,
        environment=environment,
        health=found,
        need=_need(environment, free_bytes),
        worker_bytes=worker_bytes,
    )


def _workers_bytes(found: Mapping[str, Any]) -> int:
    """As they announce it; workers on other machines and other stacks' workers here do not count."""
    announced = sum(worker["memory_bytes"] for worker in found.get("workers", []))
    return min(announced, _local_workers_bytes()) if announced else 0


def _local_workers_bytes() -> int:
    import psutil

    processes = psutil.process_iter(["cmdline", "memory_info"])
    return sum(
        process.info["memory_info"].rss
        for process in processes
        if (process.info["cmdline"] or [])[1:3] == _OUR_WORKER and process.info["memory_info"]
    )


def _need(environment: Mapping[str, str], free_bytes: int) -> dict[str, Any]:
    """Asked of a process, as the worker's settings and its model's header are its own."""
    done = subprocess.run(
        [sys.executable, "-m", "inference_worker.tools.memory_need", "--free-bytes", str(free_bytes)],
        env=dict(environment),
        capture_output=True,
        check=False,
    )
    try:
        found: dict[str, Any] = msgspec.json.decode(done.stdout)
    except msgspec.DecodeError:
        words = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        return {"sentence": words or "The worker's needs could not be computed."}
    return found


def answer(host: str, port: int, path: str, within_s: float = 2.0) -> bytes:
    """What an HTTP server on this machine says at `path`; empty when none does."""
    connection = http.client.HTTPConnection(host, port, timeout=within_s)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    except (OSError, http.client.HTTPException, ValueError):
        return b""
    finally:
        connection.close()
