"""How good told times were, from outside: against the ends of jobs, and by the slots that were idle meanwhile.

Knows the clients' tries and samples of the queue, not how times are told.
"""

from collections.abc import Callable
from typing import Any, Final

from bench.harness.query import Query
from bench.harness.sampler import Depth

NEAR_S: Final = 1.0
NEAR: Final = 0.25
"""A told time is right if it is off by no more than NEAR_S seconds, or this part of the true time."""


def figures(queries: list[Query], depths: list[Depth], slots: int) -> dict[str, Any]:
    """Figures of clients that come back as told; None for what nobody's refusal or return shows.

    The true time of the k-th client outside is that of the k-th job's end from then. A slot is idle where fewer jobs
    are on the queue than there are slots.
    """
    back = [query for query in queries if query.status not in (429, 503)]
    errors = _errors(back)
    told = [query.refusals[0].retry_after_s for query in back if query.refusals]
    return {
        "told_s_mean": _mean([float(told_s) for told_s in told if told_s is not None]),
        "told_error_s_median": _median([error_s for error_s, _ in errors]),
        "told_error_share_median": _median([share for _, share in errors]),
        "told_right_share": _mean([float(error_s <= NEAR_S or share <= NEAR) for error_s, share in errors]),
        "idle_while_outside": _idle(back, depths, slots),
    }


def _errors(queries: list[Query]) -> list[tuple[float, float]]:
    """For each first refusal: by how many seconds, and by which part of the true time, the told one was off."""
    ends_s = sorted(query.ended_s for query in queries if query.status == 200)
    refused = sorted((query for query in queries if query.refusals), key=lambda query: query.refusals[0].at_s)
    found = []
    for number, query in enumerate(refused):
        first = query.refusals[0]
        rank = sum(_is_outside(other)(first.at_s) for other in refused[:number]) + 1
        later = [end_s for end_s in ends_s if end_s > first.at_s]
        if first.retry_after_s is not None and len(later) >= rank:
            true_s = later[rank - 1] - first.at_s
            found.append((abs(first.retry_after_s - true_s), abs(first.retry_after_s / true_s - 1)))
    return found


def _idle(queries: list[Query], depths: list[Depth], slots: int) -> float | None:
    tests = [_is_outside(query) for query in queries if query.refusals]
    seen = [max(1 - depth.depth / slots, 0.0) for depth in depths if any(test(depth.at_s) for test in tests)]
    return _mean(seen)


def _is_outside(query: Query) -> Callable[[float], bool]:
    """Whether the client was refused and is not accepted yet, at a moment of the run."""
    since_s = query.refusals[0].at_s
    until_s = query.accepted_s if query.accepted_s is not None else query.ended_s
    return lambda at_s: since_s <= at_s < until_s


def _median(values: list[float]) -> float | None:
    return round(sorted(values)[len(values) // 2], 3) if values else None


def _mean(values: list[float]) -> float | None:
    return round(sum(values) / len(values), 3) if values else None
