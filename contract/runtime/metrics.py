"""What every service shows to Prometheus: its own process, its connection, and what more than one of them counts.

Names that operators already have dashboards on are kept, with the prefix `goblin_docqa_`.
"""

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Final

import psutil
from prometheus_client import REGISTRY, Counter, Gauge, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

# Each counter would otherwise show a second series with its birthday.
disable_created_metrics()  # type: ignore[no-untyped-call]

BUS_CONNECTED = Gauge("docqa_bus_connected", "1 while the connection to the bus stands.")
REDACTIONS = Counter("docqa_redactions_total", "Secrets taken out of texts, by kind; every attempt counts.", ["kind"])

CGROUPS: Final = Path("/sys/fs/cgroup")
_NO_LIMIT_BYTES: Final = 2**60
"""Version 1 of cgroups writes "none" as a number near 2^63."""


def count_redactions(counts: Mapping[str, int]) -> None:
    """Add what the sanitizer took out of one question."""
    for kind, count in counts.items():
        REDACTIONS.labels(kind).inc(count)


def show_process(service: str) -> None:
    """Show this process' memory, processor time, limit and version from now on; once per process."""
    REGISTRY.register(ProcessCollector(service))


class ProcessCollector(Collector):
    """Looks at the process only when somebody asks."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._version = version("goblin-docqa")
        self._process = psutil.Process()

    def collect(self) -> Iterable[Metric]:
        memory, times = self._process.memory_info(), self._process.cpu_times()
        used = GaugeMetricFamily("goblin_docqa_process_memory_bytes", "Memory of this process.", labels=["type"])
        used.add_metric(["rss"], memory.rss)
        used.add_metric(["vms"], memory.vms)
        yield used
        yield CounterMetricFamily(
            "goblin_docqa_process_cpu_seconds", "Processor time of this process.", value=times.user + times.system
        )
        yield GaugeMetricFamily(
            "docqa_memory_limit_bytes", "The most memory that this process may use.", value=memory_limit_bytes()
        )
        info = GaugeMetricFamily("docqa_build_info", "Always 1: what runs here.", labels=["service", "version"])
        info.add_metric([self._service, self._version], 1)
        yield info


def memory_limit_bytes(cgroups: Path = CGROUPS, membership: Path = Path("/proc/self/cgroup")) -> int:
    """The tightest limit of the process' control groups, or all of the machine's memory."""
    limits = [limit for file in _limit_files(cgroups, membership) if (limit := _read_limit(file)) is not None]
    return min([*limits, psutil.virtual_memory().total])


def _limit_files(cgroups: Path, membership: Path) -> Iterable[Path]:
    """Where limits are written, for the process' own group and all above it: version 2 and version 1."""
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "memory" not in controllers.split(","):
            continue
        root, name = (cgroups / "memory", "memory.limit_in_bytes") if controllers else (cgroups, "memory.max")
        group = root / path.lstrip("/")
        for folder in (group, *group.parents):
            if folder.is_relative_to(root):
                yield folder / name


def _read_limit(file: Path) -> int | None:
    """A limit in bytes; None where there is none."""
    try:
        limit = int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return limit if limit < _NO_LIMIT_BYTES else None
