"""Decides whether a candidate may replace the running release, from samples of both. Pure functions.

Each rule compares the candidate with the baseline, not with a fixed limit alone: a busy hour is not the candidate's
fault.
"""

import itertools
import math
import statistics
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

Decision = Literal["promote", "roll back", "can't say"]
Outcome = Literal["answered", "refused", "failed"]

FEWEST_SAMPLES: Final = 6
FEWEST_PAIRS: Final = 10
_CHANCE: Final = 0.01
"""The accepted probability that a rule finds a difference where there is none."""

_DOWN_SHARE: Final = 0.1
_STEADY_SHARE: Final = 0.8
_LEAST_LEAK_BYTES: Final = 8 * 2**20
_LEAST_LEAK_PER_HOUR: Final = 0.2
"""As a share of the process's own memory."""
_LEVELS_OFF: Final = 0.5
"""The growth of a warm-up slows down; that of a leak does not."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One sample of one side. Counters are since its start; None if its metrics cannot be read."""

    at_s: float
    is_up: bool
    waiting: int = 0
    memory_bytes: int = 0
    requests: float | None = None
    server_errors: float | None = None
    workers: tuple[str, ...] = ()


class Sent(msgspec.Struct, frozen=True):
    """One probe question to one side."""

    outcome: Outcome
    seconds: float


class Seen(msgspec.Struct, frozen=True):
    """All observations of one side. The n-th of `sent` was asked of both sides at the same moment."""

    looks: Sequence[Sample]
    sent: Sequence[Sent] = ()


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much worse a candidate may be."""

    latency_ratio: float = 1.5
    longest_s: float = 30.0
    error_ratio: float = 0.01
    waiting: int = 5


class Verdict(msgspec.Struct, frozen=True):
    """What to do, and the reasons as sentences."""

    decision: Decision
    reasons: list[str]


def decide(baseline: Seen, candidate: Seen, limits: Limits) -> Verdict:
    """Roll back for any fault of the candidate; else promote, given enough samples and a healthy baseline."""
    faults = [
        *_absence(candidate),
        *_restarts(candidate),
        *_errors(baseline, candidate, limits),
        *_latency(baseline, candidate, limits),
        *_waiting(baseline, candidate, limits),
        *_leak(baseline, candidate),
    ]
    if faults:
        return Verdict("roll back", faults)
    if doubts := [*_doubts(baseline, candidate), *_bad_baseline(baseline, limits)]:
        return Verdict("can't say", doubts)
    return Verdict("promote", _praise(baseline, candidate))


def _absence(candidate: Seen) -> list[str]:
    down = sum(not sample.is_up for sample in candidate.looks)
    if down > _DOWN_SHARE * len(candidate.looks):
        return [f"the candidate was not healthy in {down} of {len(candidate.looks)} samples"]
    return []


def _restarts(candidate: Seen) -> list[str]:
    names = [set(sample.workers) for sample in candidate.looks if sample.workers]
    if not names:
        return []
    # Only workers that ended count: scaling out adds some, and a replaced worker ended too.
    left = len(set().union(*names) - names[-1])
    return [f"{left} of the candidate's workers ended meanwhile"] if left else []


def _errors(baseline: Seen, candidate: Seen, limits: Limits) -> list[str]:
    found = []
    for what, count in (("probe questions", _failures), ("requests by its metrics", _counted)):
        (bad, of), (bad_before, of_before) = count(candidate), count(baseline)
        ratio, before = bad / of if of else 0.0, bad_before / of_before if of_before else 0.0
        if bad >= 2 and ratio > limits.error_ratio and ratio > 2 * before:
            found.append(
                f"{bad:.0f} of {of:.0f} {what} failed at the candidate ({ratio:.1%}), {before:.1%} at the baseline"
            )
    return found


def _failures(seen: Seen) -> tuple[float, float]:
    return sum(sent.outcome == "failed" for sent in seen.sent), len(seen.sent)


def _counted(seen: Seen) -> tuple[float, float]:
    """Growth between samples; the reset of a counter by a restart counts as no growth."""
    bad = of = 0.0
    for before, after in itertools.pairwise(sample for sample in seen.looks if sample.requests is not None):
        bad += max((after.server_errors or 0) - (before.server_errors or 0), 0)
        of += max((after.requests or 0) - (before.requests or 0), 0)
    return bad, of


def _latency(baseline: Seen, candidate: Seen, limits: Limits) -> list[str]:
    found = []
    ratios = _ratios(baseline, candidate)
    if len(ratios) >= FEWEST_PAIRS:
        middle = statistics.median(ratios)
        if middle > limits.latency_ratio and _by_chance(sum(ratio > 1 for ratio in ratios), len(ratios)) < _CHANCE:
            found.append(
                f"the candidate took {middle:.2f} times as long as the baseline (median of {len(ratios)} pairs)"
            )
    slow = [sent.seconds for sent in candidate.sent if sent.outcome == "answered" and sent.seconds > limits.longest_s]
    quick_before = all(sent.seconds <= limits.longest_s for sent in baseline.sent)
    if len(slow) >= 2 and quick_before:
        found.append(f"{len(slow)} answers of the candidate took more than {limits.longest_s:g} s")
    return found


def _ratios(baseline: Seen, candidate: Seen) -> list[float]:
    pairs = zip(baseline.sent, candidate.sent, strict=False)
    both = [(one, other) for one, other in pairs if one.outcome == other.outcome == "answered"]
    return [other.seconds / max(one.seconds, 1e-6) for one, other in both]


def _by_chance(successes: int, of: int) -> float:
    """One-sided sign test: the probability of at least `successes` of `of` if both sides are equally good."""
    return float(sum(math.comb(of, count) for count in range(successes, of + 1)) / 2**of)


def _waiting(baseline: Seen, candidate: Seen, limits: Limits) -> list[str]:
    third = len(candidate.looks) // 3
    if third < 2:
        return []
    first = statistics.median(sample.waiting for sample in candidate.looks[:third])
    last = statistics.median(sample.waiting for sample in candidate.looks[-third:])
    beside = statistics.median([sample.waiting for sample in baseline.looks[-third:]] or [0])
    if last >= limits.waiting and last >= first and last > beside + 2:
        return [
            f"{last:.0f} jobs wait at the candidate at the end ({first:.0f} at the start), {beside:.0f} at the baseline"
        ]
    return []


def _leak(baseline: Seen, candidate: Seen) -> list[str]:
    """Only the second half counts: the growth of a cache levels off, and the baseline's is full already."""
    looks = [sample for sample in candidate.looks if sample.memory_bytes]
    half = len(looks) // 2
    if half < FEWEST_SAMPLES // 2 + 1:
        return []
    early, late = looks[:half], looks[half:]
    slope = _slope(late)
    growth = slope * (late[-1].at_s - late[0].at_s)
    per_hour = slope * 3600 / statistics.median(sample.memory_bytes for sample in late)
    is_real = growth >= _LEAST_LEAK_BYTES and per_hour >= _LEAST_LEAK_PER_HOUR and _is_steady(late)
    beside = _slope([sample for sample in baseline.looks if sample.memory_bytes][-len(late) :])
    if is_real and slope >= _LEVELS_OFF * _slope(early) and slope > 2 * beside:
        mib_per_minute = slope * 60 / 2**20
        return [f"the candidate's memory grows by {mib_per_minute:.1f} MiB a minute and does not level off"]
    return []


def _slope(looks: Sequence[Sample]) -> float:
    """Bytes per second, as the median slope over all pairs (Theil-Sen), which ignores single outliers."""
    slopes = [
        (after.memory_bytes - before.memory_bytes) / (after.at_s - before.at_s)
        for before, after in itertools.combinations(looks, 2)
        if after.at_s > before.at_s
    ]
    return statistics.median(slopes) if slopes else 0.0


def _is_steady(looks: Sequence[Sample]) -> bool:
    rises = [after.memory_bytes > before.memory_bytes for before, after in itertools.combinations(looks, 2)]
    return sum(rises) >= _STEADY_SHARE * len(rises)


def _doubts(baseline: Seen, candidate: Seen) -> list[str]:
    found = []
    fewest = min(len(baseline.looks), len(candidate.looks))
    if fewest < FEWEST_SAMPLES:
        found.append(f"only {fewest} samples were taken, {FEWEST_SAMPLES} are needed: watch longer")
    if candidate.sent and len(_ratios(baseline, candidate)) < FEWEST_PAIRS:
        pairs, refused = len(_ratios(baseline, candidate)), sum(sent.outcome == "refused" for sent in candidate.sent)
        why = f" ({refused} refused by the candidate)" if refused else ""
        found.append(f"only {pairs} questions were answered by both{why}, {FEWEST_PAIRS} are needed")
    return found


def _bad_baseline(baseline: Seen, limits: Limits) -> list[str]:
    down = sum(not sample.is_up for sample in baseline.looks)
    if down > _DOWN_SHARE * len(baseline.looks):
        return [f"the baseline was not healthy in {down} of {len(baseline.looks)} samples: nothing to compare with"]
    bad, of = _failures(baseline)
    if bad >= 2 and bad / of > limits.error_ratio:
        return [f"{bad:.0f} of {of:.0f} questions failed at the baseline itself: nothing to compare with"]
    return []


def _praise(baseline: Seen, candidate: Seen) -> list[str]:
    ratios = _ratios(baseline, candidate)
    speed = (
        f"it took {statistics.median(ratios):.2f} times as long as the baseline (median of {len(ratios)} pairs)"
        if ratios
        else "no probe questions were asked: latency was not compared"
    )
    return [speed, f"no fault in {len(candidate.looks)} samples: errors, waiting jobs, memory, restarts"]
