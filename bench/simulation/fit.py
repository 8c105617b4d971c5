"""Fits the model to what is stored in bench/results, and compares it with the figures that it was not fitted to.

Of each result one or two figures are used for the fit: the throughput at saturation and the latency without load. All
others are predicted from them.
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from bench.simulation.events import Arrivals, System, simulate

WITHIN: Final = 0.10
_LONG_S: Final = 400.0
"""Of a simulated rate: long enough that chance is out of it."""
_SLO_STEP_S: Final = 30.0
_SEEDS: Final = 40
_SLOTS: Final = 8
_QUEUE: Final = 16


class Check(msgspec.Struct, frozen=True):
    """One figure that was measured, and what the model says."""

    of: str
    what: str
    measured: float
    model: float

    @property
    def error(self) -> float:
        """Relative to the measured figure; of a share absolute."""
        if self.what.endswith("share"):
            return self.model - self.measured
        return self.model / self.measured - 1


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """The bundled model on two cores: a worker's speed, the spread of its jobs' work, what all jobs share."""

    alone_s: float
    """Mean of a job that has the worker to itself."""
    full_per_s: float
    """Jobs a second with all slots busy."""
    spread: float
    """Shape of the gamma distribution of work: 1 is exponential."""
    accept_s: float
    slots: int = _SLOTS

    def system(self, workers: int, queue: int, accept_s: float | None = None) -> System:
        return System(
            workers=workers,
            slots=self.slots,
            queue=queue,
            work=self.work,
            speed=self.speed,
            accept_s=self.accept_s if accept_s is None else accept_s,
        )

    def work(self, draw: random.Random) -> float:
        return draw.gammavariate(self.spread, self.alone_s / self.spread)

    def speed(self, busy: int) -> float:
        """Amdahl: each more row costs a step a share of its time."""
        most = self.full_per_s * self.alone_s
        if self.slots == 1 or most <= 1:
            return 1.0
        share = (self.slots / most - 1) / (self.slots - 1)
        return busy / (1 + share * (busy - 1))


def fitted(results: Path) -> Model:
    """Raises OSError, KeyError, ValueError where the stored results are missing or others."""
    figures = _read(results, "slo")["figures"]
    held = figures["held"]
    # Both are of half a minute, and differ by chance.
    full_per_s = (figures["capacity_per_s"] + max(step["goodput"] for step in figures["steps"])) / 2
    accept_s = 1 / _warm_per_s(_read(results, "load"), 10)
    first = Model(alone_s=1.0, full_per_s=full_per_s, spread=_SPREAD, accept_s=accept_s)
    return _with_latency(first, held["asked"] / held["seconds"], held["latency"]["p50_ms"] / 1000)


def _warm_per_s(load: dict[str, Any], clients: int) -> float:
    """Answers a second without the first round, which meets a cold system."""
    cold_s = load["latency"]["max_ms"] / 1000
    return float((load["latency"]["count"] - clients) / (load["figures"]["elapsed_s"] - cold_s))


_SPREAD: Final = 2.5
"""Of work, by the 90th percentile of the held rate: answers of 5 to 64 tokens to texts that are partly in the cache."""


def _with_latency(model: Model, per_s: float, p50_s: float) -> Model:
    """The work whose median latency at a light rate is the measured one, by bisection."""
    low, high = p50_s / 4, p50_s * 2
    for _ in range(10):
        middle = (low + high) / 2
        tried = msgspec.structs.replace(model, alone_s=middle)
        seen = simulate(tried.system(1, _QUEUE), Arrivals(per_s=per_s, for_s=_LONG_S))
        low, high = (middle, high) if seen.latency_s(0.5) < p50_s else (low, middle)
    return msgspec.structs.replace(model, alone_s=(low + high) / 2)


def checks(results: Path) -> list[Check]:
    """All figures of sweep, scale, load and slo that the model predicts; takes some seconds."""
    found = [*_of_sweep(_read(results, "sweep")), *_of_scale(_read(results, "scale"))]
    found += [*_of_load(results, "load", 10), *_of_load(results, "load-quotes", 32)]
    return [*found, *_of_slo(_read(results, "slo"), fitted(results))]


def _fixed(slots: int, job_s: float, queue: int, workers: int = 1, latency_s: float = 0.0) -> System:
    """Slots that take a fixed time each, whatever runs beside them: the echo engine's."""
    return System(workers=workers, slots=slots, queue=queue, work=lambda draw: job_s, speed=float, latency_s=latency_s)


def _of_sweep(result: dict[str, Any]) -> Iterator[Check]:
    steps = result["figures"]["steps"]
    job_s = _SLOTS / max(step["goodput"] for step in steps)
    latency_s = steps[0]["p50_ms"] / 1000 - job_s
    system = _fixed(_SLOTS, job_s, _QUEUE, latency_s=latency_s)
    for step in steps[1:]:
        seen = simulate(system, Arrivals(per_s=step["arrived"], for_s=_LONG_S))
        name = f"sweep {step['rate']:.0f}/s"
        yield Check(name, "answers/s", step["goodput"], seen.answered_per_s)
        yield Check(name, "refused share", step["refused"], seen.refused_share)
        yield Check(name, "median ms", step["p50_ms"], 1000 * seen.latency_s(0.5))


def _of_scale(result: dict[str, Any]) -> Iterator[Check]:
    one, *more = result["figures"]["steps"]
    slots = round(one["possible_per_s"] / 2)
    system = _fixed(slots, slots / one["answered_per_s"], 20_000)
    for step in more:
        many = msgspec.structs.replace(system, workers=step["workers"])
        seen = simulate(many, Arrivals(clients=64, for_s=60))
        yield Check(f"scale {step['workers']} workers", "answers/s", step["answered_per_s"], seen.answered_per_s)


def _of_load(results: Path, name: str, clients: int) -> Iterator[Check]:
    """A closed loop through the one stage that all share; its rate is the fit, its latency follows."""
    result = _read(results, name)
    accept_s = 1 / _warm_per_s(result, clients)
    system = System(workers=1, slots=64, queue=64, work=lambda draw: 1e-6, speed=float, accept_s=accept_s)
    seen = simulate(system, Arrivals(clients=clients, for_s=20))
    yield Check(name, "median ms", result["latency"]["p50_ms"], 1000 * seen.latency_s(0.5))


def _of_slo(result: dict[str, Any], model: Model) -> Iterator[Check]:
    """As it was measured: from an empty queue, what was answered within half a minute. Chance is averaged out."""
    system = model.system(1, _QUEUE)
    for step in result["figures"]["steps"]:
        arrivals = Arrivals(per_s=step["arrived"], for_s=_SLO_STEP_S, settled_s=0)
        seen = [simulate(system, arrivals, seed) for seed in range(_SEEDS)]
        answered = sum(outcome.answered_per_s for outcome in seen) / _SEEDS
        yield Check(f"slo {step['rate']:.1f}/s", "answers/s", step["goodput"], answered)
    held = result["figures"]["held"]
    seen_held = simulate(system, Arrivals(per_s=held["asked"] / held["seconds"], for_s=_LONG_S))
    yield Check("slo held", "p90 ms", held["latency"]["p90_ms"], 1000 * seen_held.latency_s(0.9))
    yield Check("slo held", "within 5 s share", held["within_5s"], seen_held.within(5.0))


def _read(results: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((results / f"{name}.json").read_text(encoding="utf-8"))
    return found
