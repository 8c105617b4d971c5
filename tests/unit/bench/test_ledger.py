"""The ledger's verdict: what clients received, compared with what is stored."""

from typing import Any

import pytest

from bench.harness.ledger import BusStore, Fate, Ledger, Stored, UnansweredError, entry_of, settle
from bench.harness.promises import broken, nothing_lost, nothing_twice
from bench.harness.query import Query, Refusal, derived_id
from contract import topology as contracts

DONE = Stored("done", answer="six months")


def query(number: int = 0, status: int = 200, **fields: Any) -> Query:
    return Query(
        number=number, key=f"k{number}", publisher="http", client="local", job_id=derived_id("local", f"k{number}"),
        entry_point="uds", planned_s=0.0, status=status, was_accepted=status in (200, 202), **fields,
    )  # fmt: skip


class Shelf:
    """A store that says what it was given, in turn."""

    def __init__(self, *says: Stored | type[Exception] | None) -> None:
        self._says = list(says)

    async def look_up(self, query: Query) -> Stored | None:
        said = self._says.pop(0) if len(self._says) > 1 else self._says[0]
        if isinstance(said, type):
            raise said
        return said


def test_an_accepted_query_with_a_result_is_answered() -> None:
    assert entry_of(query(answer="six months"), DONE).fate is Fate.ANSWERED


def test_an_accepted_query_without_a_result_is_lost() -> None:
    assert entry_of(query(), None).fate is Fate.LOST
    assert entry_of(query(), Stored("running")).fate is Fate.LOST


def test_a_refused_query_with_a_result_was_run_all_the_same() -> None:
    refused = query(status=429, refusals=[Refusal(0.1, 0.1, 429, 5)])
    assert entry_of(refused, None).fate is Fate.REFUSED
    assert entry_of(refused, DONE).fate is Fate.TWICE


def test_another_answer_than_the_stored_one_is_a_second_answer() -> None:
    assert entry_of(query(answer="three months"), DONE).fate is Fate.TWICE


def test_a_failure_says_why_and_a_dead_letter_is_told_apart() -> None:
    failed = entry_of(query(status=202), Stored("failed", code="engine-error"))
    assert (failed.fate, failed.why) == (Fate.FAILED, "engine-error")
    dead = entry_of(query(status=202), Stored("failed", code="attempts-exhausted", dead_letter=True))
    assert dead.fate is Fate.DEAD


def test_a_query_that_got_no_word_may_have_been_taken_or_not() -> None:
    assert entry_of(query(status=0, was_uncertain=True), None).fate is Fate.NEVER_TAKEN
    assert entry_of(query(status=0, was_uncertain=True), DONE).fate is Fate.ANSWERED


def test_a_lost_query_breaks_the_first_promise_and_is_shown_first() -> None:
    ledger = Ledger([entry_of(query(), DONE), entry_of(query(1), None)])
    assert not ledger.is_clean
    assert next(iter(ledger.summary()["fates"])) == "LOST"
    assert broken([nothing_lost(ledger), nothing_twice(ledger)], strict=False) == [nothing_lost(ledger)]


def test_a_surplus_write_to_the_bucket_breaks_the_second_promise() -> None:
    ledger = Ledger([entry_of(query(), DONE)], surplus_writes=1)
    assert not ledger.is_clean
    assert not nothing_twice(ledger).held


async def test_settling_waits_for_what_still_runs_and_asks_again_where_nobody_answered() -> None:
    ledger = await settle([query()], Shelf(UnansweredError, Stored("queued"), Stored("running"), DONE), 30)
    assert ledger.counts == {Fate.ANSWERED: 1}


async def test_an_accepted_job_that_the_store_does_not_know_is_lost_without_a_long_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bench.harness.ledger.GONE_AFTER_S", 0.1)
    ledger = await settle([query(), query(1)], Shelf(None), 600)
    assert ledger.counts == {Fate.LOST: 2}
    assert ledger.settled_after_s < 60


async def test_what_is_not_over_in_time_is_lost() -> None:
    ledger = await settle([query()], Shelf(Stored("running")), 0.1)
    assert ledger.counts == {Fate.LOST: 1}


class Bucket(BusStore):
    """A bucket of results from which some went after they were read."""

    def __init__(self, kept: set[int], *, missing: int, removed: int) -> None:
        self._kept = kept
        self._counts = (missing, removed)

    async def look_up(self, query: Query) -> Stored | None:
        return DONE if query.number in self._kept else None

    async def missing_writes(self) -> int:
        return self._counts[0]

    async def removed(self) -> int:
        return self._counts[1]


@pytest.mark.parametrize(
    ("missing", "removed", "fates", "surplus"),
    [
        (2, 2, {Fate.ANSWERED: 3}, 0),
        (3, 3, {Fate.ANSWERED: 3}, 1),
        (2, 1, {Fate.ANSWERED: 1, Fate.LOST: 2}, 2),
    ],
    ids=["removed after they were read", "one was written twice", "more are missing than were removed"],
)
async def test_results_that_were_removed_after_their_reading_are_neither_lost_nor_written_twice(
    monkeypatch: pytest.MonkeyPatch, missing: int, removed: int, fates: dict[Fate, int], surplus: int
) -> None:
    monkeypatch.setattr("bench.harness.ledger.GONE_AFTER_S", 0.01)
    queries = [query(number, answer="six months") for number in range(3)]
    ledger = await settle(queries, Bucket({0}, missing=missing, removed=removed), 5)
    assert (ledger.counts, ledger.surplus_writes) == (fates, surplus)


@pytest.mark.parametrize(("client", "key"), [("local", "k1"), ("default", "another-key")])
def test_a_key_stands_for_the_same_job_here_as_in_the_ingress(client: str, key: str) -> None:
    assert derived_id(client, key) == contracts.derived_id(client, key)
