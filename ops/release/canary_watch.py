"""Samples two systems side by side, and asks both the same questions at the same moments."""

import asyncio
import time
from collections.abc import Callable

import msgspec

from ops.release.exposition import Exposition
from ops.release.probe import Probe
from ops.release.smoke_steps import is_answered, sample_question
from ops.release.verdict import Outcome, Sample, Seen, Sent

_MOST_IN_FLIGHT = 4
"""Pairs at a time: the probe must not overload a slow side."""


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """The length, the sampling interval, and the questions per minute per side (0: none)."""

    minutes: float
    every_s: float
    per_minute: float
    longest_s: float


class Watch:
    """The samples and answers of both sides so far."""

    def __init__(self, baseline: Probe, candidate: Probe, pace: Pace, report: Callable[[str], None]) -> None:
        self._sides = (baseline, candidate)
        self._pace = pace
        self._report = report
        self._began_s = time.monotonic()
        self._samples: tuple[list[Sample], list[Sample]] = ([], [])
        self._pairs: list[tuple[Sent, Sent]] = []

    @property
    def seen(self) -> tuple[Seen, Seen]:
        """What was observed of the baseline and of the candidate."""
        return (
            Seen(self._samples[0], [pair[0] for pair in self._pairs]),
            Seen(self._samples[1], [pair[1] for pair in self._pairs]),
        )

    async def run(self) -> None:
        """Sample and ask until the time is over, then wait for the last answers."""
        until_s = time.monotonic() + 60 * self._pace.minutes
        # Counters are compared between samples: one before the first question and one after the last count them all.
        await self._sample(until_s)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._sample_until(until_s))
            if self._pace.per_minute:
                tasks.create_task(self._ask_until(until_s))
        await self._sample(until_s)

    async def _sample_until(self, until_s: float) -> None:
        while (left_s := until_s - time.monotonic()) > 0:
            await asyncio.sleep(min(self._pace.every_s, left_s))
            await self._sample(until_s)

    async def _sample(self, until_s: float) -> None:
        at_s = time.monotonic() - self._began_s
        samples = await asyncio.gather(*(take_sample(side, at_s) for side in self._sides))
        for kept, found in zip(self._samples, samples, strict=True):
            kept.append(found)
        self._report(
            f"{max(until_s - time.monotonic(), 0):.0f} s to go: {_summary(samples[0])} | {_summary(samples[1])}"
        )

    async def _ask_until(self, until_s: float) -> None:
        pause_s = 60 / self._pace.per_minute
        number, asking = 0, set[asyncio.Task[None]]()
        while time.monotonic() + pause_s < until_s:
            asking = {task for task in asking if not task.done()}
            if len(asking) < _MOST_IN_FLIGHT:
                number += 1
                asking.add(asyncio.create_task(self._ask(number)))
            await asyncio.sleep(pause_s)
        await asyncio.gather(*asking)

    async def _ask(self, number: int) -> None:
        # Alternate the order: the side that is asked first has a small advantage on a shared machine.
        order = self._sides if number % 2 else self._sides[::-1]
        first, second = await asyncio.gather(*(self._one(side, number) for side in order))
        self._pairs.append((first, second) if number % 2 else (second, first))

    async def _one(self, side: Probe, number: int) -> Sent:
        answer = await side.post(sample_question(number % 50))
        if answer.status == 202 and (location := answer.headers.get("location")):
            answer = await side.follow(location, answer.seconds, time.monotonic() + 2 * self._pace.longest_s)
        return Sent(_outcome(is_answered(answer), answer.status), answer.seconds)


def _outcome(is_good: bool, status: int) -> Outcome:
    if is_good:
        return "answered"
    return "refused" if status == 429 else "failed"


async def take_sample(side: Probe, at_s: float) -> Sample:
    """The current state of one side."""
    health, page = await asyncio.gather(side.get("/health"), side.metrics())
    body = health.document
    workers = body.get("workers", [])
    page = Exposition({}, {}) if isinstance(page, str) else page
    own_bytes = page.values.get("process_resident_memory_bytes", 0)
    return Sample(
        at_s=at_s,
        is_up=health.status == 200 and body.get("status") == "healthy",
        waiting=max(body.get("queue_depth", 0) - body.get("running", 0), 0),
        memory_bytes=int(own_bytes + sum(worker["memory_bytes"] for worker in workers)),
        requests=sum(page.requests.values()) if page.requests else None,
        server_errors=page.server_errors if page.requests else None,
        workers=tuple(sorted(worker["id"] for worker in workers)),
    )


def _summary(sample: Sample) -> str:
    return f"{'up' if sample.is_up else 'DOWN'}, {sample.waiting} waiting, {sample.memory_bytes / 2**20:.0f} MiB"
