"""The gate's decision on a good, a slow, a leaking and a failing candidate, and on what is not its fault."""

from collections.abc import Callable
from typing import Any

import pytest

from ops.release.verdict import Limits, Outcome, Sample, Seen, Sent, decide

MIB = 2**20
LIMITS = Limits()


def seen(
    count: int = 60,
    *,
    memory: Callable[[float], float] = lambda at_s: 500 * MIB,
    waiting: Callable[[int], int] = lambda number: 0,
    seconds: Callable[[int], float] = lambda number: 0.5 + 0.1 * (number % 3),
    failed: int = 0,
    refused: int = 0,
    down: int = 0,
    server_errors: int = 0,
    **changes: Any,
) -> Seen:
    """Five minutes of one side, every five seconds; the first `failed` and `refused` questions end so."""
    looks = [
        Sample(
            at_s=5.0 * number,
            is_up=number >= down,
            waiting=waiting(number),
            memory_bytes=int(memory(5.0 * number)),
            requests=100.0 * number,
            server_errors=float(server_errors * number),
            workers=("one",),
        )
        for number in range(count)
    ]
    ends: list[tuple[Outcome, int]] = [("failed", failed), ("refused", refused), ("answered", count)]
    outcomes = [outcome for outcome, times in ends for _ in range(times)]
    sent = [Sent(outcome, seconds(number)) for number, outcome in enumerate(outcomes[:count])]
    return Seen(changes.get("looks", looks), changes.get("sent", sent))


def verdict(candidate: Seen, baseline: Seen | None = None) -> tuple[str, str]:
    found = decide(baseline or seen(), candidate, LIMITS)
    return found.decision, "; ".join(found.reasons)


def test_a_good_candidate_is_promoted() -> None:
    assert verdict(seen())[0] == "promote"


def test_a_slow_candidate_is_rolled_back() -> None:
    decision, why = verdict(seen(seconds=lambda number: 1.2 + 0.1 * (number % 3)))
    assert decision == "roll back"
    assert "times as long as the baseline (median of 60 pairs)" in why


def test_a_candidate_that_is_a_little_slower_or_slow_now_and_then_is_promoted() -> None:
    assert verdict(seen(seconds=lambda number: 0.6))[0] == "promote"
    assert verdict(seen(seconds=lambda number: 5.0 if number % 10 == 0 else 0.5))[0] == "promote"


def test_answers_beyond_the_longest_time_are_rolled_back() -> None:
    decision, why = verdict(seen(seconds=lambda number: 31.0 if number in (7, 40) else 0.5))
    assert (decision, why) == ("roll back", "2 answers of the candidate took more than 30 s")


def test_a_leaking_candidate_is_rolled_back() -> None:
    decision, why = verdict(seen(memory=lambda at_s: 500 * MIB + at_s * MIB / 4))
    assert decision == "roll back"
    assert "grows by 15.0 MiB a minute" in why


def test_a_cache_that_fills_up_and_levels_off_is_no_leak() -> None:
    assert verdict(seen(memory=lambda at_s: (500 + min(at_s, 120)) * MIB))[0] == "promote"
    assert verdict(seen(memory=lambda at_s: (500 + 200 * (1 - 0.98**at_s)) * MIB))[0] == "promote"


def test_memory_that_swings_or_grows_at_the_baseline_too_is_no_leak() -> None:
    assert verdict(seen(memory=lambda at_s: (500 + 40 * (at_s % 10 == 0)) * MIB))[0] == "promote"
    both = seen(memory=lambda at_s: 500 * MIB + at_s * MIB / 4)
    assert verdict(both, both)[0] == "promote"


def test_a_failing_candidate_is_rolled_back() -> None:
    decision, why = verdict(seen(failed=3))
    assert decision == "roll back"
    assert "3 of 60 probe questions failed at the candidate (5.0%), 0.0% at the baseline" in why


def test_errors_that_only_the_metrics_show_count_too() -> None:
    decision, why = verdict(seen(server_errors=5))
    assert decision == "roll back"
    assert "requests by its metrics failed at the candidate (5.0%)" in why


def test_one_failure_is_not_a_fault() -> None:
    assert verdict(seen(failed=1))[0] == "promote"


def test_a_baseline_that_fails_as_much_leaves_nothing_to_compare_with() -> None:
    decision, why = verdict(seen(failed=3), seen(failed=3))
    assert decision == "can't say"
    assert "failed at the baseline itself" in why


def test_jobs_that_pile_up_at_the_candidate_alone_are_rolled_back() -> None:
    piling = seen(waiting=lambda number: number // 4)
    assert verdict(piling) == (
        "roll back",
        "12 jobs wait at the candidate at the end (2 at the start), 0 at the baseline",
    )
    assert verdict(piling, piling)[0] == "promote"
    assert verdict(seen(waiting=lambda number: max(12 - number, 0)))[0] == "promote"


def test_a_candidate_that_is_away_is_rolled_back_and_such_a_baseline_says_nothing() -> None:
    assert verdict(seen(down=10))[0] == "roll back"
    assert verdict(seen(), seen(down=10))[0] == "can't say"
    assert verdict(seen(down=2))[0] == "promote"


def test_a_worker_that_was_replaced_is_rolled_back_and_one_more_is_not() -> None:
    looks = list(seen().looks)
    replaced = [*looks[:30], *(Sample(at_s=look.at_s, is_up=True, workers=("two",)) for look in looks[30:])]
    more = [*looks[:30], *(Sample(at_s=look.at_s, is_up=True, workers=("one", "two")) for look in looks[30:])]
    assert verdict(seen(looks=replaced)) == ("roll back", "1 of the candidate's workers ended meanwhile")
    assert verdict(seen(looks=more))[0] == "promote"


@pytest.mark.parametrize("few", [seen(5), seen(looks=[], sent=[]), seen(refused=55)])
def test_too_little_evidence_is_no_promotion(few: Seen) -> None:
    decision, _ = verdict(few, few)
    assert decision != "promote"


def test_without_questions_of_its_own_the_verdict_says_what_was_not_compared() -> None:
    decision, why = verdict(seen(sent=[]), seen(sent=[]))
    assert decision == "promote"
    assert "latency was not compared" in why
