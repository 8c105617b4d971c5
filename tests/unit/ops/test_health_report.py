"""Every condition that /health reports is named in plain words."""

from typing import Any

import pytest

from ops.commands.status import _table
from ops.health_report import problems

WORKER = {
    "id": "w1", "model": "m", "slots": 8, "busy": 0, "jobs_per_s": 0.0, "tokens_per_s": 0.0, "memory_bytes": 0,
}  # fmt: skip
WELL: dict[str, Any] = {
    "status": "healthy",
    "queue_depth": 1,
    "running": 1,
    "queue_capacity": 10,
    "tokens": {"status": "off"},
    "audit": {"status": "ok", "lost": 0},
    "results": {"status": "ok"},
    "workers": [WORKER],
}


def test_a_system_that_is_well_has_no_problem() -> None:
    assert problems(WELL) == []
    assert "problem" not in _table(WELL)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"workers": []}, "No worker is alive"),
        ({"queue_depth": 10}, "The queue is full (10 of 10)"),
        ({"results": {"status": "failing", "detail": "The bucket is full."}}, "Results cannot be stored; jobs wait"),
        (
            {"jobs": {"status": "failing", "detail": "The oldest waits."}},
            "Jobs are accepted, but do not end: The",
        ),
        ({"model": {"name": "m", "status": "failing", "detail": "No step."}}, "A model makes no progress: No step."),
        ({"clock": {"status": "failing", "detail": "A clock is 9.0 s ahead."}}, "Clocks differ; tokens may expire"),
        ({"tokens": {"status": "failing", "detail": "not JSON"}}, "The file of tokens cannot be used"),
        (
            {"audit": {"status": "failing", "detail": "No space left on device", "lost": 3}},
            "Lines of the audit log are",
        ),
        ({"workers": [WORKER | {"error": "Its clock is 300 s ahead of the bus's."}]}, "Worker w1: Its clock is 300 s"),
        ({"library": {"status": "unavailable"}}, "The library does not answer"),
        ({"library": {"status": "failing", "detail": "It is damaged."}}, "Documents can't all be read, found or er"),
        ({"weather": {"status": "failing", "detail": "rain"}}, "weather is failing: rain."),
    ],
)
def test_each_condition_is_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    [found] = problems(WELL | changes)
    assert found.startswith(sentence)
    assert found.endswith(".")
    assert f"problem {found}" in _table(WELL | changes)


def test_a_system_that_takes_no_question_says_why() -> None:
    assert problems({"status": "unhealthy", "detail": "The message bus is unavailable."}) == [
        "The message bus is unavailable."
    ]


def test_what_a_worker_and_the_whole_both_report_is_one_sentence() -> None:
    full = "The store of results is full."
    workers = [WORKER | {"error": full}]
    assert len(problems(WELL | {"results": {"status": "failing", "detail": full}, "workers": workers})) == 1
