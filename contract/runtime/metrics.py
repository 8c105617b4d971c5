"""Prometheus metrics that every service exposes: its process, its bus connection, and counters they share.

Names that operators already have dashboards on are kept, with the prefix `goblin_docqa_`.
"""

from collections.abc import Iterable, Mapping
from importlib.metadata import version

import psutil
from prometheus_client import REGISTRY, Counter, Gauge, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from contract.runtime.resources import memory_limit_bytes

# Each counter would otherwise have a second series with its creation time.
disable_created_metrics()  # type: ignore[no-untyped-call]

BUS_CONNECTED = Gauge("docqa_bus_connected", "1 while connected to the bus.")
REDACTIONS = Counter("docqa_redactions_total", "Secrets taken out of texts, by kind; every attempt counts.", ["kind"])


def count_redactions(counts: Mapping[str, int]) -> None:
    """Count the redactions of one question."""
    for kind, count in counts.items():
        REDACTIONS.labels(kind).inc(count)


def show_process(service: str) -> None:
    """Export this process's memory, CPU time, memory limit and version; call it once per process."""
    REGISTRY.register(ProcessCollector(service))


class ProcessCollector(Collector):
    """Reads the process's figures when they are scraped."""

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
            "goblin_docqa_process_cpu_seconds", "CPU time of this process.", value=times.user + times.system
        )
        yield GaugeMetricFamily(
            "docqa_memory_limit_bytes", "The most memory that this process may use.", value=memory_limit_bytes()
        )
        info = GaugeMetricFamily("docqa_build_info", "Always 1: what runs here.", labels=["service", "version"])
        info.add_metric([self._service, self._version], 1)
        yield info
