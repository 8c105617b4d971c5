"""Places in the slots: who runs beside whom, who comes next, and that no place is lost."""

import asyncio
from collections.abc import Callable
from typing import Any, Literal

import hypothesis.strategies as st
import pytest
from hypothesis import given

from inference_worker.jobs.fair_queue import QUANTUM_TOKENS, Claim
from inference_worker.jobs.slots import Slots

Step = tuple[Literal["enter", "suspect", "leave", "cancel", "settle"], int]

steps = st.lists(
    st.tuples(st.sampled_from(["enter", "enter", "suspect", "leave", "leave", "cancel", "settle"]), st.integers(0, 50)),
    max_size=60,
)


def claim(*, alone: bool = False, owner: str = "http.c1", cost_tokens: int = 100, is_warm: bool = False) -> Claim:
    return Claim(owner=owner, cost_tokens=cost_tokens, is_warm=lambda: is_warm, company=int(alone))


class Guest:
    """One job on its way through the slots, in a task of its own."""

    def __init__(self, slots: Slots, claim: Claim, on_enter: Callable[["Guest"], None]) -> None:
        self.claim = claim
        self.is_inside = False
        self.had_to_wait = False
        self._may_leave = asyncio.Event()
        self.task = asyncio.create_task(self._visit(slots, on_enter))

    async def _visit(self, slots: Slots, on_enter: Callable[["Guest"], None]) -> None:
        self.had_to_wait = await slots.enter(self.claim)
        self.is_inside = True
        on_enter(self)
        try:
            await self._may_leave.wait()
        finally:
            self.is_inside = False
            slots.leave()

    @property
    def alone(self) -> bool:
        return self.claim.company == 1

    def leave(self) -> None:
        self._may_leave.set()


class Party:
    """A slots and all its guests, in the order of their asking."""

    def __init__(self, slots: int, owners: list[str] | None = None) -> None:
        self.slots = slots
        self.owners = owners or ["http.c1"]
        self.shared = Slots(slots)
        self.guests: list[Guest] = []
        self.entered: list[Guest] = []

    async def ask(self, **claimed: Any) -> Guest:
        self.guests.append(Guest(self.shared, claim(**claimed), self._enter))
        await asyncio.sleep(0)
        return self.guests[-1]

    def inside(self) -> list[Guest]:
        return [guest for guest in self.guests if guest.is_inside]

    def waiting(self) -> list[Guest]:
        return [guest for guest in self.guests if not guest.is_inside and not guest.task.done()]

    async def settle(self) -> None:
        """Let every task go on until all of them wait: a few turns of the loop are all that any needs."""
        for _ in range(10):
            await asyncio.sleep(0)

    async def empty(self) -> None:
        for guest in self.guests:
            guest.leave()
        await asyncio.gather(*(guest.task for guest in self.guests), return_exceptions=True)

    def _enter(self, guest: Guest) -> None:
        self.entered.append(guest)
        inside = self.inside()
        assert len(inside) <= self.slots
        assert len(inside) == 1 or not any(guest.alone for guest in inside)

    def check(self) -> None:
        """No job waits that could start, and the count is right."""
        inside, waiting = self.inside(), self.waiting()
        assert self.shared.running == len(inside)
        is_full = len(inside) == self.slots or any(guest.alone for guest in inside)
        if waiting and not is_full:
            # Only for a suspect are places left free, and only until the slots is empty.
            assert inside
            assert any(guest.alone for guest in waiting)
            if len(self.owners) == 1:
                assert waiting[0].alone


async def test_no_more_than_the_slots_are_inside() -> None:
    party = Party(2)
    first, second, third = [await party.ask() for _ in range(3)]
    assert party.inside() == [first, second]
    first.leave()
    await party.settle()
    assert party.inside() == [second, third]
    assert [guest.had_to_wait for guest in (first, second, third)] == [False, False, True]
    await party.empty()


async def test_places_are_given_in_the_order_of_asking() -> None:
    party = Party(1)
    guests = [await party.ask() for _ in range(5)]
    await party.empty()
    assert party.entered == guests


async def test_a_suspect_waits_until_the_slots_is_empty_and_lets_nobody_in_beside_it() -> None:
    party = Party(4)
    neighbour = await party.ask()
    suspect = await party.ask(alone=True)
    later = await party.ask()
    assert party.inside() == [neighbour]
    neighbour.leave()
    await party.settle()
    assert party.inside() == [suspect]
    suspect.leave()
    await party.settle()
    assert party.inside() == [later]
    await party.empty()


async def test_suspects_run_together_up_to_the_smallest_company_and_nothing_beside_them() -> None:
    slots = Slots(8)
    pairs = [Claim(owner="a", cost_tokens=1, is_warm=lambda: False, company=2) for _ in range(3)]
    other = claim(owner="b")
    entering = [asyncio.ensure_future(slots.enter(each)) for each in (*pairs, other)]
    await asyncio.sleep(0.01)
    assert [each.done() for each in entering] == [True, True, False, False]
    slots.leave()
    await asyncio.sleep(0.01)
    assert [each.done() for each in entering] == [True, True, True, False]
    slots.leave()
    slots.leave()
    await asyncio.gather(*entering)
    assert slots.running == 1


async def test_a_suspect_enters_an_empty_slots_at_once() -> None:
    party = Party(4)
    suspect = await party.ask(alone=True)
    assert party.inside() == [suspect]
    assert not suspect.had_to_wait
    await party.empty()


async def test_one_who_gives_up_waiting_holds_nobody_back() -> None:
    party = Party(4)
    neighbour = await party.ask()
    suspect = await party.ask(alone=True)
    later = await party.ask()
    suspect.task.cancel()
    await party.settle()
    assert party.inside() == [neighbour, later]
    await party.empty()


async def test_one_who_gives_up_at_the_moment_of_being_let_in_gives_the_place_on() -> None:
    slots, second, third = await one_inside_and_two_waiting()
    slots.leave()
    second.cancel()
    assert await third
    assert second.cancelled()
    assert slots.running == 1


async def test_a_place_that_is_free_at_the_moment_of_a_giving_up_goes_to_the_next() -> None:
    slots, second, third = await one_inside_and_two_waiting()
    second.cancel()
    slots.leave()
    assert await third
    assert second.cancelled()
    assert slots.running == 1


async def one_inside_and_two_waiting() -> tuple[Slots, "asyncio.Task[bool]", "asyncio.Task[bool]"]:
    slots = Slots(1)
    await slots.enter(claim())
    second, third = [asyncio.create_task(slots.enter(claim())) for _ in range(2)]
    await asyncio.sleep(0)
    return slots, second, third


@pytest.mark.parametrize("alone", [False, True])
async def test_an_enter_that_is_never_awaited_takes_no_place(alone: bool) -> None:
    slots = Slots(1)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(slots.enter(claim(alone=alone)), 0)
    assert slots.running == 0


async def test_clients_take_turns_for_the_places() -> None:
    party = Party(1)
    eager = [await party.ask(owner="a", cost_tokens=QUANTUM_TOKENS) for _ in range(4)]
    late = [await party.ask(owner="b", cost_tokens=QUANTUM_TOKENS) for _ in range(2)]
    await party.empty()
    assert party.entered == [eager[0], eager[1], late[0], eager[2], late[1], eager[3]]


async def test_among_those_who_wait_a_warm_document_goes_first() -> None:
    party = Party(1)
    inside, cold = await party.ask(), await party.ask()
    warm = await party.ask(is_warm=True)
    await party.empty()
    assert party.entered == [inside, warm, cold]


async def test_nobody_is_chosen_before_there_is_a_place() -> None:
    """Who comes while all places are taken may still be the better choice."""
    party = Party(1)
    inside, other = await party.ask(owner="a"), await party.ask(owner="a")
    warm = await party.ask(owner="a", is_warm=True)
    inside.leave()
    await party.settle()
    assert party.inside() == [warm]
    await party.empty()
    assert party.entered == [inside, warm, other]


async def test_a_suspect_whose_turn_it_is_is_passed_by_nobody() -> None:
    party = Party(4)
    neighbour = await party.ask()
    suspect = await party.ask(alone=True)
    others = [await party.ask(owner=owner, is_warm=True, cost_tokens=1) for owner in ("http.c1", "b", "c")]
    await party.settle()
    assert party.inside() == [neighbour]
    neighbour.leave()
    await party.settle()
    assert party.inside() == [suspect]
    await party.empty()
    assert set(party.entered[2:]) == set(others)


async def test_a_suspect_that_waits_for_its_turn_keeps_no_place_free() -> None:
    party = Party(2)
    first, second = await party.ask(), await party.ask()
    suspect = await party.ask(owner="a", alone=True, cost_tokens=4 * QUANTUM_TOKENS)
    small = await party.ask(owner="b", cost_tokens=QUANTUM_TOKENS)
    first.leave()
    await party.settle()
    assert party.inside() == [second, small]
    await party.empty()
    assert party.entered[-1] == suspect


@given(st.integers(1, 4), steps)
def test_whoever_comes_leaves_and_gives_up_in_whatever_order_no_place_is_lost(slots: int, plan: list[Step]) -> None:
    party = asyncio.run(run_party(slots, ["http.c1"], plan))
    # One that need not wait may be on its way in a turn sooner than one whose place was just given to it.
    waited = [guest for guest in party.guests if guest.had_to_wait]
    assert [guest for guest in party.entered if guest in waited] == waited


@given(st.integers(1, 4), steps)
def test_nor_when_clients_take_turns(slots: int, plan: list[Step]) -> None:
    asyncio.run(run_party(slots, ["a", "b", "c"], plan))


async def run_party(slots: int, owners: list[str], plan: list[Step]) -> Party:
    party = Party(slots, owners)
    given_up: list[Guest] = []
    for what, which in plan:
        match what:
            case "enter" | "suspect":
                owner, cost_tokens = owners[which % len(owners)], 100 * which
                is_warm = len(owners) > 1 and which % 2 == 0
                await party.ask(alone=what == "suspect", owner=owner, cost_tokens=cost_tokens, is_warm=is_warm)
            case "leave" if inside := party.inside():
                inside[which % len(inside)].leave()
            case "cancel" if waiting := party.waiting():
                guest = waiting[which % len(waiting)]
                guest.task.cancel()
                given_up.append(guest)
            case "settle":
                await party.settle()
                party.check()
    await party.settle()
    party.check()
    await party.empty()
    assert not [guest for guest in party.guests if guest not in party.entered and guest not in given_up]
    assert party.shared.running == 0
    assert not await party.shared.enter(claim(alone=True))
    return party
