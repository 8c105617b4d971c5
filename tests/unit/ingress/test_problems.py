"""Errors as clients see them."""

import json
from typing import Any, get_args

import pytest

from contract.messages import Failure, FailureCode
from ingress import problems
from ingress.problems import Problem

PROMPT = Failure(
    id="1", code="prompt-too-long", detail="Too long.", prompt_tokens=9000, limit_tokens=8000, cut_chars=4000
)


def body_of(problem: Problem) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(problem.response().content)
    return body


@pytest.mark.parametrize("code", get_args(FailureCode))
def test_every_way_a_job_can_fail_is_a_problem_with_its_code(code: FailureCode) -> None:
    problem = problems.failed(Failure(id="1", code=code, detail="Why."))
    body = body_of(problem)
    assert 400 <= problem.status < 600
    assert problem.response().media_type == "application/problem+json"
    assert (body["type"], body["status"], body["detail"], body["id"]) == (code, problem.status, "Why.", "1")
    assert body["title"]
    assert "body_sha256" not in body


@pytest.mark.parametrize(
    ("code", "status"), [("deadline-exceeded", 504), ("cancelled", 409), ("attempts-exhausted", 500)]
)
def test_a_waiting_clients_failure_has_its_own_status(code: FailureCode, status: int) -> None:
    assert problems.failed(Failure(id="1", code=code, detail="Why.")).status == status


def test_a_failure_code_of_a_newer_worker_is_carried_on() -> None:
    problem = problems.failed(Failure(id="1", code="moon-phase", detail="The moon is full."))
    assert (problem.status, problem.kind, str(problem)) == (500, "moon-phase", "The moon is full.")


def test_a_prompt_that_is_too_long_comes_with_both_sizes_and_what_to_cut() -> None:
    body = body_of(problems.failed(PROMPT))
    assert (body["status"], body["prompt_tokens"], body["limit_tokens"], body["cut_chars"]) == (413, 9000, 8000, 4000)
    body = body_of(problems.prompt_too_large(1200, 1000))
    assert (body["status"], body["size_bytes"], body["limit_bytes"], body["cut_chars"]) == (413, 1200, 1000, 200)


def test_a_body_that_is_too_large_comes_with_both_sizes_where_they_are_known() -> None:
    body = body_of(problems.body_too_large(1200, 1000))
    assert (body["size_bytes"], body["limit_bytes"], body["cut_chars"]) == (1200, 1000, 200)
    body = body_of(problems.body_too_large(None, 1000))
    assert body["limit_bytes"] == 1000
    assert "size_bytes" not in body


def test_a_full_queue_says_when_to_come_back_and_whether_anybody_works() -> None:
    problem = problems.queue_full(10, 60, has_worker=False)
    assert problem.headers == {"Retry-After": "60"}
    assert (problem.status, body_of(problem)["type"], body_of(problem)["capacity"]) == (429, "queue-full", 10)
    assert "No worker is running" in str(problem)
    assert "No worker" not in str(problems.queue_full(10, 3, has_worker=True))


def test_an_unknown_outcome_says_where_to_look() -> None:
    problem = problems.outcome_unknown("1", "/api/jobs/1")
    assert problem.headers["Location"] == "/api/jobs/1"
    assert (problem.status, body_of(problem)["type"], body_of(problem)["id"]) == (503, "outcome-unknown", "1")
    assert "/api/jobs/1" in str(problem)


def test_a_bus_that_is_away_says_to_come_back() -> None:
    problem = problems.bus_unavailable()
    assert (problem.status, problem.kind) == (503, "bus-unavailable")
    assert int(problem.headers["Retry-After"]) >= 1
