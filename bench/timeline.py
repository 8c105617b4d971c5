"""A run over time, in as many steps as a plot can show: who came, was let in, refused, answered; queue and memory."""

import math
from collections.abc import Iterable
from typing import Any, Final

from bench.harness.query import Query
from bench.harness.sampler import Depth, Watcher

STEPS: Final = 300
MAX_POINTS: Final = 2000


def of(queries: list[Query], watcher: Watcher) -> dict[str, Any]:
    """Counts per step of `step_s` seconds, the queue's depth, latencies and memory as points."""
    last_s = max([query.ended_s for query in queries] + [seen.at_s for seen in watcher.depths], default=0.0)
    step_s = _step_s(last_s)
    return {
        "step_s": step_s,
        "arrivals": _counts((query.planned_s for query in queries), step_s, last_s),
        "accepted": _counts((query.accepted_s for query in queries if query.accepted_s is not None), step_s, last_s),
        "refused": _counts((seen.at_s for query in queries for seen in query.refusals), step_s, last_s),
        "answered": _counts((query.ended_s for query in queries if query.status == 200), step_s, last_s),
        "queue": [list(point) for point in _thinned(_points(watcher.depths))],
        "latencies": _thinned(
            [[round(query.planned_s, 3), round(query.latency_s, 4)] for query in queries if query.status == 200]
        ),
        "memory": _memory(watcher),
    }


def _step_s(last_s: float) -> float:
    """A round number of seconds, so that there are at most 300 steps."""
    wanted_s = last_s / STEPS
    return next((step_s for step_s in (0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60) if step_s >= wanted_s), 300.0)


def _counts(moments: Iterable[float], step_s: float, last_s: float) -> list[int]:
    counts = [0] * (math.floor(last_s / step_s) + 1)
    for moment_s in moments:
        counts[min(int(moment_s / step_s), len(counts) - 1)] += 1
    return counts


def _points(depths: list[Depth]) -> list[list[float]]:
    return [[seen.at_s, seen.depth, seen.running, seen.capacity] for seen in depths]


def _memory(watcher: Watcher) -> dict[str, list[list[float]]]:
    """Per part: moment, MiB, descriptors."""
    parts: dict[str, list[list[float]]] = {}
    for seen in watcher.footprints:
        parts.setdefault(seen.part, []).append([seen.at_s, seen.rss_mib, seen.descriptors])
    return {part: _thinned(points) for part, points in parts.items()}


def _thinned(points: list[list[float]]) -> list[list[float]]:
    """Every nth point, so that a long run's file stays small."""
    return points[:: max(math.ceil(len(points) / MAX_POINTS), 1)]
