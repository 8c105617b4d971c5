"""The steps of the smoke test: health, sample jobs, a document, metrics, an emptied queue, and optionally a refusal."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import msgspec

from ops.release.exposition import Exposition
from ops.release.probe import Answer, Probe
from ops.release.smoke_document import try_document

_NON_ZERO: Final = ("docqa_job_queue_capacity", "process_resident_memory_bytes", "process_cpu_seconds_total")
"""Metrics that are never 0 in a running ingress."""

_POLLS_EVERY_S: Final = 0.25
_BURST: Final = 8
_MOST_TO_FILL: Final = 2000
_KINDS_OF_429: Final = ("queue-full", "client-quota", "rate-limited")


class Step(msgspec.Struct, frozen=True):
    """One step and its result."""

    name: str
    ok: bool
    detail: str
    seconds: float = 0.0


class Plan(msgspec.Struct, frozen=True):
    """How many jobs, and whether a 429 is checked; `within_s` limits the whole."""

    jobs: int = 10
    check_429: bool = False
    within_s: float = 55.0


async def steps(probe: Probe, plan: Plan) -> AsyncIterator[Step]:
    """Run the steps until one fails, because each depends on those before it."""
    deadline_s = time.monotonic() + plan.within_s
    before = await probe.get("/health")
    todo: list[Callable[[], Awaitable[Step]]] = [
        lambda: _health(before),
        lambda: _jobs(probe, plan.jobs, deadline_s),
        *([lambda: _documents(probe, deadline_s)] if "library" in before.document else []),
        lambda: _metrics(probe),
        lambda: _drains(probe, _waiting(before), deadline_s),
    ]
    if plan.check_429:
        todo.append(lambda: _refuses(probe, before, deadline_s))
        todo.append(lambda: _drains(probe, _waiting(before), deadline_s))
    for run in todo:
        began_s = time.monotonic()
        step = msgspec.structs.replace(await run(), seconds=round(time.monotonic() - began_s, 3))
        yield step
        if not step.ok:
            return


def sample_question(number: int) -> dict[str, Any]:
    """A small question with a document of its own."""
    context = f"Sample {number}. The rent of flat {number} is {400 + number} euros, due on the third working day."
    return {"query": "When is the rent due?", "context": context, "max_tokens": 16, "temperature": 0}


async def _health(answer: Answer) -> Step:
    status = answer.document.get("status")
    if answer.status != 200 or status is None:
        return Step("health", ok=False, detail=answer.error_text)
    if status != "healthy":
        why = "no worker is alive" if not answer.document.get("workers") else "see `tokens` and `audit` in /health"
        return Step("health", ok=False, detail=f"{status}: {why}")
    workers = answer.document["workers"]
    model = (answer.document.get("model") or {}).get("name", "no model")
    return Step("health", ok=True, detail=f"healthy, {model}, {len(workers)} worker{'s' if len(workers) != 1 else ''}")


async def _metrics(probe: Probe) -> Step:
    """Runs after the jobs, when no counter of requests can be 0."""
    page = await probe.metrics()
    if isinstance(page, str):
        return Step("metrics", ok=False, detail=f"{page} (name the pages with --metrics, or use an admin token)")
    zero = [name for name in _NON_ZERO if not page.values.get(name)]
    if not page.requests:
        zero.append("goblin_docqa_requests_total")
    if zero:
        return Step("metrics", ok=False, detail=f"zero or missing: {', '.join(zero)}")
    return Step("metrics", ok=True, detail=_shown(page))


def _shown(page: Exposition) -> str:
    memory_mib = page.values["process_resident_memory_bytes"] / 2**20
    answered = f", {page.values['docqa_jobs_completed_total']:.0f} answers" if _has_worker(page) else ""
    return f"{len(page.values)} metrics, {memory_mib:.0f} MiB, {sum(page.requests.values()):.0f} requests{answered}"


def _has_worker(page: Exposition) -> bool:
    return "docqa_jobs_completed_total" in page.values


async def _jobs(probe: Probe, count: int, deadline_s: float) -> Step:
    within_s = max(deadline_s - time.monotonic(), 1.0)
    answers = await asyncio.gather(*(probe.ask(sample_question(number), within_s) for number in range(1, count + 1)))
    bad = [answer.error_text for answer in answers if not is_answered(answer)]
    if bad:
        return Step("jobs", ok=False, detail=f"{len(bad)} of {count} were not answered: {bad[0]}")
    slowest_s = max(answer.seconds for answer in answers)
    return Step("jobs", ok=True, detail=f"{count} accepted and answered, the slowest in {slowest_s:.2f} s")


async def _documents(probe: Probe, deadline_s: float) -> Step:
    is_good, detail = await try_document(probe, deadline_s)
    return Step("document", ok=is_good, detail=detail)


def is_answered(answer: Answer) -> bool:
    return answer.status == 200 and answer.document.get("status") == "done"


async def _drains(probe: Probe, before: int, deadline_s: float) -> Step:
    """Wait until no more jobs wait than before, since other clients may be asking."""
    while True:
        answer = await probe.get("/health")
        if answer.status == 200 and (waiting := _waiting(answer)) <= before:
            return Step("queue", ok=True, detail=f"drained: {waiting} waiting, no more than before")
        if time.monotonic() > deadline_s:
            detail = answer.error_text if answer.status != 200 else f"{_waiting(answer)} jobs wait, {before} did before"
            return Step("queue", ok=False, detail=detail)
        await asyncio.sleep(_POLLS_EVERY_S)


def _waiting(answer: Answer) -> int:
    return max(int(answer.document.get("queue_depth", 0)) - int(answer.document.get("running", 0)), 0)


async def _refuses(probe: Probe, health: Answer, deadline_s: float) -> Step:
    """Fill the queue until a question is refused, then cancel the accepted jobs."""
    capacity = int(health.document["queue_capacity"])
    most = min(4 * capacity + _BURST, _MOST_TO_FILL)
    locations: list[str] = []
    try:
        while len(locations) < most and time.monotonic() < deadline_s:
            numbers = range(len(locations), len(locations) + _BURST)
            burst = await asyncio.gather(*(probe.post(sample_question(number), wait_s=0) for number in numbers))
            locations += [answer.headers["location"] for answer in burst if answer.status == 202]
            if refused := [answer for answer in burst if answer.status == 429]:
                return _check_refusal(refused[0], len(locations))
            if bad := [answer for answer in burst if answer.status != 202]:
                return Step("429", ok=False, detail=bad[0].error_text)
        return Step("429", ok=False, detail=f"all {len(locations)} questions were accepted: the queue never filled up")
    finally:
        await _cancel(probe, locations)


def _check_refusal(answer: Answer, accepted: int) -> Step:
    kind = str(answer.document.get("type", "")).rpartition("/")[2].rpartition(":")[2]
    if answer.retry_after_s is None or not 1 <= answer.retry_after_s <= 60:
        sent = answer.headers.get("retry-after")
        return Step("429", ok=False, detail=f"Retry-After is {sent!r}, not 1 to 60 whole seconds")
    if kind not in _KINDS_OF_429:
        return Step("429", ok=False, detail=f"its type is {kind!r}, not one of {', '.join(_KINDS_OF_429)}")
    wait_s, taken_ms = answer.retry_after_s, answer.seconds * 1000
    detail = f"{kind} after {accepted} accepted, in {taken_ms:.0f} ms, Retry-After {wait_s:.0f} s"
    return Step("429", ok=True, detail=detail)


async def _cancel(probe: Probe, locations: list[str]) -> None:
    for start in range(0, len(locations), _BURST):
        await asyncio.gather(*(probe.delete(location) for location in locations[start : start + _BURST]))
