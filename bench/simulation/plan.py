"""What other numbers of workers, arrivals and documents would meet: queue, Retry-After, cost, the first bottleneck.

The queue is simulated (`events.py`); what all workers share is compared with rates that were measured (bench/results).
"""

import json
from pathlib import Path
from typing import Final

import msgspec

from bench.simulation.events import Arrivals, Outcome, simulate
from bench.simulation.fit import Model

OBJECTIVE_S: Final = 5.0
_JOBS: Final = 6000
"""Of a simulated run."""
_QUEUE_PER_SLOT: Final = 4
_LOOKED_UP: Final = 100
"""Waiting jobs whose results each worker looks up each second (inference_worker/jobs/sweeper.py)."""
_ANNOUNCED_EVERY_S: Final = 5
_SENTENCES_A_PAGE: Final = 30


class Ceilings(msgspec.Struct, frozen=True, kw_only=True):
    """Rates that one part of a system was seen to bear, on two cores."""

    ingress_per_s: float
    """Questions that one ingress accepts."""
    stream_per_s: float
    """Requests that the bus confirms, each on the disk: of a read it bears more, how much more was not measured."""
    pages_per_cpu_s: float
    vectors_per_cpu_s: float


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """One part under a plan: what it gets and what it bears, both a second."""

    part: str
    gets_per_s: float
    bears_per_s: float

    @property
    def share(self) -> float:
        return self.gets_per_s / self.bears_per_s


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One row: what was asked for and what came of it."""

    workers: int
    arrivals_per_s: float
    outcome: Outcome
    within_objective: float
    core_hours_per_1000: float
    loads: list[Load]

    @property
    def told_s(self) -> tuple[int, int]:
        """The median and the longest Retry-After; 0 where nobody was refused."""
        told = self.outcome.told_s
        return (told[len(told) // 2], told[-1]) if told else (0, 0)

    @property
    def bottleneck(self) -> Load:
        """What is nearest to its ceiling, or the furthest beyond it."""
        return max(self.loads, key=lambda load: load.share)


_EMBEDDERS = ("english", "multilingual")
"""A sentence in English gets a vector of each."""


def ceilings(results: Path) -> Ceilings:
    """Raises OSError, KeyError where the stored results are missing or others."""
    overhead = json.loads((results / "overhead.json").read_text(encoding="utf-8"))
    rounds = sorted(overhead["accepting"]["rounds"], key=lambda one: float(one["accepted_per_s"]))
    middle = rounds[len(rounds) // 2]
    readers = json.loads((results / "readers.json").read_text(encoding="utf-8"))["figures"]
    embedding = json.loads((results / "embedding.json").read_text(encoding="utf-8"))["figures"]
    return Ceilings(
        ingress_per_s=middle["accepted_per_s"],
        stream_per_s=middle["raw_per_s"],
        pages_per_cpu_s=readers["pdf_pages_per_cpu_s"],
        vectors_per_cpu_s=1 / sum(1 / embedding[f"{name}_sentences_a_cpu_second"] for name in _EMBEDDERS),
    )


def plan(
    model: Model, bears: Ceilings, workers: int, arrivals_per_s: float, *, pages_per_s: float = 0.0, cores: int = 2
) -> Plan:
    """Simulate one system. `cores`: of one worker's machine."""
    system = model.system(workers, _QUEUE_PER_SLOT * model.slots * workers, 1 / bears.ingress_per_s)
    for_s = max(_JOBS / arrivals_per_s, 60.0)
    outcome = simulate(system, Arrivals(per_s=arrivals_per_s, for_s=for_s))
    answered = max(outcome.answered_per_s, 1e-9)
    return Plan(
        workers=workers,
        arrivals_per_s=arrivals_per_s,
        outcome=outcome,
        within_objective=outcome.within(OBJECTIVE_S),
        core_hours_per_1000=workers * cores * 1000 / answered / 3600,
        loads=_loads(model, bears, workers, arrivals_per_s, outcome, pages_per_s),
    )


def _loads(
    model: Model, bears: Ceilings, workers: int, arrivals_per_s: float, outcome: Outcome, pages_per_s: float
) -> list[Load]:
    tries = arrivals_per_s / max(1 - outcome.refused_share, 0.05)
    # Each job is published, its start counted and removed, its result stored, and the job acknowledged.
    writes = 5 * outcome.answered_per_s
    looked_up = 2 * model.slots + min(outcome.queue_mean, _LOOKED_UP) + 1
    sweeps = workers * looked_up
    announcements = workers * workers / _ANNOUNCED_EVERY_S
    return [
        Load(part="workers", gets_per_s=arrivals_per_s, bears_per_s=workers * model.full_per_s),
        Load(part="ingress", gets_per_s=tries, bears_per_s=bears.ingress_per_s),
        Load(part="bus: jobs and results", gets_per_s=writes, bears_per_s=bears.stream_per_s),
        Load(part="bus: workers' sweeps", gets_per_s=sweeps, bears_per_s=bears.stream_per_s),
        Load(part="bus: announcements", gets_per_s=announcements, bears_per_s=_DELIVERIES_PER_S),
        Load(part="library", gets_per_s=max(pages_per_s, 1e-9), bears_per_s=_pages_per_s(bears)),
    ]


_DELIVERIES_PER_S: Final = 100_000.0
"""Small messages that one nats-server hands out without storing them: an assumption on the safe side, not measured."""


def _pages_per_s(bears: Ceilings) -> float:
    """Pages that one core reads and gives vectors to."""
    return 1 / (1 / bears.pages_per_cpu_s + _SENTENCES_A_PAGE / bears.vectors_per_cpu_s)
