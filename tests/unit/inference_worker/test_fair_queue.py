"""FairQueue among clients: whose job is next, that shares are fair, and that no job waits for ever."""

import itertools
import random
from collections import Counter
from typing import Literal

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from contract.messages import Query
from inference_worker.engines.base import cost_tokens
from inference_worker.jobs.fair_queue import PATIENCE, QUANTUM_TOKENS, Claim, FairQueue

LARGEST_TOKENS = 8 * QUANTUM_TOKENS
OWNERS = ["http.a", "http.b", "http.c", "http.d", "alice.a"]

Step = tuple[Literal["add", "choose", "remove"], int]

steps = st.lists(
    st.tuples(st.sampled_from(["add", "add", "add", "choose", "choose", "remove"]), st.integers(0, 10**9)),
    max_size=150,
)


def claim(owner: str, cost_tokens: int = 100, *, is_warm: bool = False) -> Claim:
    return Claim(owner=owner, cost_tokens=cost_tokens, is_warm=lambda: is_warm)


def turns_of(*claims: Claim) -> FairQueue:
    turns = FairQueue()
    for one in claims:
        turns.add(one)
    return turns


def chosen(turns: FairQueue) -> list[Claim]:
    """All that wait, in the order in which they are chosen."""
    return list(iter(turns.choose, None))


def owners_of(claims: list[Claim]) -> str:
    return "".join(one.owner for one in claims)


def test_an_owner_of_little_weight_takes_its_turns_after_the_others_and_still_takes_some() -> None:
    batch = [Claim(owner="a batch", cost_tokens=500, is_warm=lambda: False, weight=1 / 16) for _ in range(3)]
    own = [claim("a", 500) for _ in range(40)]
    order = owners_of(chosen(turns_of(*batch, *own))).replace("a batch", "B")
    first = order.index("B")
    assert 8 <= first < len(order) - 8
    assert order.index("B", first + 1) - first > 8


class PlainQueue:
    """Deficit round robin in its plainest form, visit by visit: `FairQueue` computes the same in one step."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, list[int]]] = []
        self.saved: dict[str, int] = {}

    def add(self, owner: str, cost: int) -> None:
        for name, line in self.lines:
            if name == owner:
                return line.append(cost)
        self.lines.append((owner, [cost]))
        self.saved[owner] = QUANTUM_TOKENS

    def choose(self) -> tuple[str, int]:
        while True:
            owner, line = self.lines[0]
            if line[0] <= self.saved[owner]:
                break
            self.saved[owner] += QUANTUM_TOKENS
            self.lines.append(self.lines.pop(0))
        cost = line.pop(0)
        self.saved[owner] -= cost
        if not line:
            del self.lines[0]
        return owner, cost


class Crowd:
    """Claims that come, are chosen and go at random, checked against the rules at every step."""

    def __init__(self) -> None:
        self.turns = FairQueue()
        self.waiting: dict[Claim, int] = {}
        """Each with how often its owner may still be served before it."""
        self.ends: Counter[Claim] = Counter()
        self.all_tokens = 0
        self._not_after: dict[Claim, int] = {}
        self._spent: dict[tuple[str, str], Counter[str]] = {}
        """What each two owners were given since both of them have something waiting."""

    def step(self, what: str, number: int) -> None:
        match what:
            case "add":
                self.add(number)
            case "choose":
                self.choose()
            case "remove" if self.waiting:
                self.remove(list(self.waiting)[number % len(self.waiting)])
        self._forget_pairs()

    def add(self, number: int) -> None:
        rng = random.Random(number)
        size = rng.choice([1, QUANTUM_TOKENS, LARGEST_TOKENS])
        moods = [rng.random() < 0.5 for _ in range(9)]
        # Its document comes and goes between two looks.
        new = Claim(
            owner=rng.choice(OWNERS), cost_tokens=rng.randint(0, size), is_warm=lambda: moods[self.ends.total() % 9]
        )
        own = [one for one in self.waiting if one.owner == new.owner]
        self.waiting[new] = PATIENCE + len(own)
        turns_taken = (PATIENCE + len(own) + 1) * LARGEST_TOKENS // QUANTUM_TOKENS + 2
        bound_tokens = turns_taken * len(OWNERS) * (LARGEST_TOKENS + QUANTUM_TOKENS)
        self._not_after[new] = self.all_tokens + bound_tokens
        self.turns.add(new)

    def choose(self) -> None:
        found = self.turns.choose()
        assert (found is None) == (not self.waiting)
        if found is None:
            return
        assert found in self.waiting
        self._end(found)
        self.all_tokens += found.cost_tokens
        self._nobody_starves(found)
        self._shares_are_fair(found)

    def remove(self, unwanted: Claim) -> None:
        self.turns.remove(unwanted)
        self._end(unwanted)

    def finish(self) -> None:
        """Every claim was chosen or removed, exactly once."""
        while self.waiting:
            self.step("choose", 0)
        assert self.turns.choose() is None
        assert set(self.ends.values()) <= {1}

    def _end(self, one: Claim) -> None:
        self.ends[one] += 1
        del self.waiting[one]

    def _nobody_starves(self, found: Claim) -> None:
        for one in self.waiting:
            assert self.all_tokens <= self._not_after[one]
            if one.owner == found.owner:
                self.waiting[one] -= 1
                assert self.waiting[one] >= 0

    def _shares_are_fair(self, found: Claim) -> None:
        for pair, spent in self._spent.items():
            if found.owner in pair:
                spent[found.owner] += found.cost_tokens
                assert abs(spent[pair[0]] - spent[pair[1]]) <= QUANTUM_TOKENS + 2 * LARGEST_TOKENS

    def _forget_pairs(self) -> None:
        """Start anew for those of whom one has nothing waiting."""
        present = sorted({one.owner for one in self.waiting})
        pairs = list(itertools.combinations(present, 2))
        self._spent = {pair: self._spent.get(pair, Counter()) for pair in pairs}


@given(steps)
@settings(max_examples=300)
def test_whoever_comes_and_goes_in_whatever_order_is_served_once_and_in_time(plan: list[Step]) -> None:
    crowd = Crowd()
    for what, number in plan:
        crowd.step(what, number)
    crowd.finish()


@given(st.integers(0, 2**32), st.integers(4, 7))
@settings(max_examples=10, deadline=None)
def test_in_thousands_of_arrivals_too(seed: int, chosen_of_ten: int) -> None:
    rng, crowd = random.Random(seed), Crowd()
    for _ in range(3000):
        what = rng.choices(["add", "choose", "remove"], [9 - chosen_of_ten, chosen_of_ten, 1])[0]
        crowd.step(what, rng.randrange(10**9))
        if len(crowd.waiting) > 100:
            crowd.finish()
    crowd.finish()


@given(st.lists(st.one_of(st.none(), st.tuples(st.sampled_from(OWNERS), st.integers(0, LARGEST_TOKENS))), max_size=80))
@settings(max_examples=300)
def test_the_order_is_that_of_a_plain_round_robin(plan: list[tuple[str, int] | None]) -> None:
    """Each `None` is a choice."""
    turns, plain = FairQueue(), PlainQueue()
    for arrival in [*plan, *[None] * len(plan)]:
        if arrival:
            turns.add(claim(*arrival))
            plain.add(*arrival)
        elif plain.lines:
            found = turns.choose()
            assert found
            assert (found.owner, found.cost_tokens) == plain.choose()


@given(st.lists(st.lists(st.integers(1, LARGEST_TOKENS), min_size=1, max_size=40), min_size=2, max_size=5))
def test_those_who_wait_from_the_same_time_on_are_given_alike(costs: list[list[int]]) -> None:
    """Within one largest job and one quantum, for as long as all of them have something waiting."""
    turns = turns_of(*(claim(OWNERS[number], cost) for number, own in enumerate(costs) for cost in own))
    left = Counter({OWNERS[number]: len(own) for number, own in enumerate(costs)})
    given_tokens = Counter(dict.fromkeys(left, 0))
    while all(left.values()):
        found = turns.choose()
        assert found
        left[found.owner] -= 1
        given_tokens[found.owner] += found.cost_tokens
        assert max(given_tokens.values()) - min(given_tokens.values()) <= LARGEST_TOKENS + QUANTUM_TOKENS


@given(st.lists(st.integers(0, LARGEST_TOKENS), max_size=30))
def test_one_client_alone_is_served_in_the_order_of_asking(costs: list[int]) -> None:
    claims = [claim("a", cost) for cost in costs]
    assert chosen(turns_of(*claims)) == claims


def test_a_client_with_one_job_does_not_wait_for_all_of_another_clients() -> None:
    many = [claim("a", QUANTUM_TOKENS) for _ in range(10)]
    assert owners_of(chosen(turns_of(*many, claim("b")))) == "abaaaaaaaaa"


def test_who_asks_for_little_is_served_more_often() -> None:
    large = [claim("a", QUANTUM_TOKENS) for _ in range(3)]
    small = [claim("b", QUANTUM_TOKENS // 2) for _ in range(6)]
    assert owners_of(chosen(turns_of(*large, *small))) == "abbabbabb"


def test_a_job_over_the_quantum_is_saved_up_for_while_the_others_go_on() -> None:
    small = [claim("b", QUANTUM_TOKENS) for _ in range(5)]
    assert owners_of(chosen(turns_of(claim("a", 4 * QUANTUM_TOKENS), *small))) == "bbbabb"


def test_a_job_of_any_size_is_chosen_at_once_when_nothing_else_waits() -> None:
    assert len(chosen(turns_of(claim("a", 10**12)))) == 1


def test_what_was_saved_is_forgotten_when_nothing_waits_any_more() -> None:
    turns = turns_of(claim("a"), claim("b"))
    assert owners_of(chosen(turns)) == "ab"
    large = [claim("a", QUANTUM_TOKENS + 1), claim("b", QUANTUM_TOKENS)]
    for one in large:
        turns.add(one)
    assert owners_of(chosen(turns)) == "ba"


def test_a_warm_document_goes_first_within_its_client_only() -> None:
    cold, warm = claim("a"), claim("a", is_warm=True)
    other = claim("b", is_warm=True)
    assert chosen(turns_of(cold, warm, other)) == [warm, cold, other]


def test_of_several_warm_ones_the_oldest_goes_first() -> None:
    warm = [claim("a", is_warm=True) for _ in range(3)]
    cold = claim("a")
    assert chosen(turns_of(cold, *warm)) == [*warm, cold]


def test_a_cold_job_lets_only_so_many_warm_ones_pass() -> None:
    cold, warm = claim("a"), [claim("a", is_warm=True) for _ in range(2 * PATIENCE)]
    order = chosen(turns_of(cold, *warm))
    assert order.index(cold) == PATIENCE


def test_warm_jobs_that_keep_coming_starve_no_cold_one() -> None:
    cold = claim("a")
    turns = turns_of(cold)
    order = []
    for _ in range(3 * PATIENCE):
        turns.add(claim("a", is_warm=True))
        order.append(turns.choose())
    assert order.index(cold) == PATIENCE


def test_one_that_was_taken_out_is_not_chosen() -> None:
    first, second = claim("a"), claim("a")
    turns = turns_of(first, second)
    turns.remove(first)
    turns.remove(first)
    turns.remove(claim("nobody"))
    assert chosen(turns) == [second]


def test_whether_a_document_is_warm_is_asked_once_for_a_choice_and_not_for_a_client_s_only_job() -> None:
    asked: list[str] = []

    def large(owner: str) -> Claim:
        def is_warm() -> bool:
            asked.append(owner)
            return False

        return Claim(owner=owner, cost_tokens=LARGEST_TOKENS, is_warm=is_warm)

    turns = turns_of(large("a"), large("a"), large("b"))
    turns.choose()
    assert asked == ["a", "a"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query(query="Who?", max_tokens=10), 11),
        (Query(query="Who?", context="x" * 4000, max_tokens=10), 1011),
        (Query(query="é" * 4, max_tokens=10), 12),
        (Query(query="Who?", context="x" * 10**6, max_tokens=10), 8192),
    ],
)
def test_a_job_costs_its_text_and_its_answer_and_no_more_than_the_context(query: Query, expected: int) -> None:
    assert cost_tokens(query, context_tokens=8192) == expected
