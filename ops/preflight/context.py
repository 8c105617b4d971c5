"""What all checks read: the settings, and the state of a stack that may already be running on them."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from contract import worker_tools
from contract.errors import DocQAError
from contract.worker_tools import Failed, MemoryNeed
from ops.settings import UpSettings
from ops.supervisor import health

_OUR_WORKER: Final = ["-m", "inference_worker"]


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """The settings as a start would read them, and the /health of a running stack (empty without one)."""

    settings: UpSettings
    environment: Mapping[str, str]
    health: Mapping[str, Any]
    need: MemoryNeed | Failed
    """The worker's need of memory, or why it would not start."""
    worker_bytes: int = 0
    """Memory of this machine used by the running stack's workers."""

    @property
    def workers(self) -> list[dict[str, Any]]:
        return list(self.health.get("workers", []))

    @property
    def slots(self) -> int:
        """Slots of all workers, or of the one that would be started."""
        return sum(worker["slots"] for worker in self.workers) or (
            self.need.slots if isinstance(self.need, MemoryNeed) else 0
        )


def gather(settings: UpSettings, environment: Mapping[str, str]) -> Context:
    """Ask a running stack for its health, and the worker's tool for the memory that a worker needs."""
    import psutil

    found = health.probe(settings.socket_path)
    worker_bytes = _workers_bytes(found)
    free_bytes = psutil.virtual_memory().available + worker_bytes
    return Context(
        settings=settings,
        environment=environment,
        health=found,
        need=_need(environment, free_bytes),
        worker_bytes=worker_bytes,
    )


def _workers_bytes(found: Mapping[str, Any]) -> int:
    """As announced by the workers, at most what workers use on this machine: others may run elsewhere."""
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


def _need(environment: Mapping[str, str], free_bytes: int) -> MemoryNeed | Failed:
    """Asked of a tool, as the worker's settings and its model's header are the worker's own."""
    try:
        return worker_tools.ask("memory_need", MemoryNeed, environment, "--free-bytes", str(free_bytes))
    except DocQAError as error:
        return Failed(sentence=str(error))
