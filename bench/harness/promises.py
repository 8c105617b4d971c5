"""The verdict: each promise, and whether it held. A "bar" is a performance target, checked only with --strict."""

from typing import Any, Final

import msgspec

from bench.harness.latency import Latencies
from bench.harness.ledger import Fate, Ledger
from bench.harness.query import Query, Refusal
from bench.harness.sampler import Depth

REFUSED_WITHIN_MS: Final = 50.0


class Promise(msgspec.Struct, frozen=True):
    """One promise. `is_bar`: a performance target that a busy machine may miss; it counts only with `--strict`."""

    name: str
    held: bool
    words: str
    is_bar: bool = False


def broken(promises: list[Promise], *, strict: bool) -> list[Promise]:
    """The promises that fail the run."""
    return [promise for promise in promises if not promise.held and (strict or not promise.is_bar)]


def nothing_lost(ledger: Ledger) -> Promise:
    """Every accepted query has a result."""
    lost, kept = ledger.counts[Fate.LOST], sum(entry.query.was_accepted for entry in ledger.entries)
    words = f"{lost} accepted queries are LOST." if lost else f"All {kept} accepted queries have their one result."
    return Promise("Accepted is never lost", not lost, words)


def nothing_twice(ledger: Ledger) -> Promise:
    """No query has two results, and no refused one has any."""
    twice, surplus = ledger.counts[Fate.TWICE], ledger.surplus_writes
    if twice or surplus:
        return Promise("Nothing is answered twice", False, f"{twice} queries and {surplus} writes too many.")
    return Promise("Nothing is answered twice", True, "No result was written twice, and nothing refused was run.")


def bounded(depths: list[Depth]) -> Promise:
    """The queue never exceeded its limit."""
    worst = max(depths, key=lambda seen: seen.depth - seen.capacity, default=None)
    if worst is None:
        return Promise("The queue keeps its bound", False, "The depth of the queue could not be read.")
    deepest = max(seen.depth for seen in depths)
    words = f"At most {deepest} of {worst.capacity} slots were taken, in {len(depths)} samples."
    return Promise("The queue keeps its bound", worst.depth <= worst.capacity, words)


def refused_at_once(refusals: list[Refusal], job_s: float) -> list[Promise]:
    """Refusals are quick: never as slow as a job (that would be a hidden queue), and 99% within 50 ms."""
    if not refusals:
        return []
    took = Latencies(refusal.took_s for refusal in refusals)
    slowest_ms, p99_ms = took.percentile_ms(100), took.percentile_ms(99)
    words = f"{len(refusals)} refusals: p99 {p99_ms:.0f} ms, the slowest {slowest_ms:.0f} ms"
    return [
        Promise("No hidden queue", slowest_ms < max(job_s * 1000, 500), f"{words}; a job takes {job_s:g} s."),
        Promise("Refused within 50 ms", p99_ms <= REFUSED_WITHIN_MS, f"{words}.", is_bar=True),
    ]


def says_when(queries: list[Query]) -> list[Promise]:
    """Every 429 over HTTP has a Retry-After in whole seconds."""
    seen_refusals = [
        seen for query in queries if query.entry_point != "bus" for seen in query.refusals if seen.status == 429
    ]
    if not seen_refusals:
        return []
    silent = sum(refusal.retry_after_s is None for refusal in seen_refusals)
    good = all(1 <= (refusal.retry_after_s or 0) <= 60 for refusal in seen_refusals)
    words = (
        f"{silent} of {len(seen_refusals)} refusals have none."
        if silent
        else f"All {len(seen_refusals)} say 1 to 60 s."
    )
    return [Promise("Refusals say when to come back", good, words)]


def slots_given_back(left: int | None) -> list[Promise]:
    """At the end the queue is empty: a slot that is still taken is lost permanently."""
    if left is None:
        return []
    words = f"{left} places stay taken with nothing left to do." if left else "The queue is empty at the end."
    return [Promise("Every place is given back", not left, words)]


def nothing_breaks_inside(queries: list[Query]) -> Promise:
    """No client receives `internal-error`: every failure has a name and an advice."""
    broke = sum(query.problem == "internal-error" for query in queries)
    words = f"{broke} queries got internal-error." if broke else "No query got internal-error."
    return Promise("What goes wrong has a name", not broke, words, is_bar=True)


def retry_after(queries: list[Query], depths: list[Depth]) -> dict[str, Any]:
    """How accurate `Retry-After` was: the time until a queue slot was actually free."""
    pairs = [
        (refusal.retry_after_s, free_s)
        for query in queries
        for refusal in query.refusals
        if refusal.retry_after_s is not None and (free_s := _free_after_s(refusal.at_s, depths)) is not None
    ]
    if not pairs:
        return {"count": 0}
    errors = sorted(named - free for named, free in pairs)
    return {
        "count": len(pairs),
        "told_s": {"min": min(named for named, _ in pairs), "max": max(named for named, _ in pairs)},
        "free_after_s": {
            "median": round(sorted(free for _, free in pairs)[len(pairs) // 2], 2),
            "max": round(max(free for _, free in pairs), 2),
        },
        "a_place_was_free_by_then": round(sum(named >= free for named, free in pairs) / len(pairs), 3),
        "median_error_s": round(errors[len(errors) // 2], 2),
    }


def _free_after_s(at_s: float, depths: list[Depth]) -> float | None:
    return next((seen.at_s - at_s for seen in depths if seen.at_s >= at_s and seen.depth < seen.capacity), None)
