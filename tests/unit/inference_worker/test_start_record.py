"""How the company of a suspect shrinks from crash to crash."""

import math

import pytest

from inference_worker.jobs.attempts import StartRecord


def crashes(slots: int, number: int) -> list[int]:
    """The company at each start of a job that crashes the process every time."""
    record, found = StartRecord(), []
    for _ in range(number):
        company = record.next_company(slots) or slots
        record = record.added(company)
        found.append(company)
    return found


def test_a_job_that_never_started_is_no_suspect() -> None:
    assert StartRecord().next_company(8) == 0


def test_the_company_is_halved_after_each_crash_until_the_job_is_alone() -> None:
    assert crashes(slots=8, number=6) == [8, 4, 2, 1, 1, 1]


@pytest.mark.parametrize("slots", [1, 2, 3, 4, 7, 8, 16, 128])
def test_starts_in_company_are_bounded_by_the_logarithm_of_the_slots(slots: int) -> None:
    in_company = [company for company in crashes(slots, 20) if company > 1]
    assert len(in_company) <= 1 + math.ceil(math.log2(slots))


def test_only_starts_alone_count_as_attempts() -> None:
    record = StartRecord().added(8).added(4).added(1)
    assert (record.total, record.alone) == (3, 1)


def test_a_start_that_is_taken_back_leaves_the_company_as_it_was() -> None:
    record = StartRecord().added(8).added(4)
    assert record.taken_back().next_company(8) == record.next_company(8) * 2 == 4
    assert StartRecord().added(8).taken_back().next_company(8) == 0


def test_an_error_of_the_job_itself_counts_as_a_start_alone() -> None:
    assert StartRecord().added(8).blamed() == StartRecord(in_company=0, alone=1, company=1)
