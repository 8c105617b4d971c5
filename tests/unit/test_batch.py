"""Places in the batch: who runs beside whom, who comes next, and that no place is lost."""

import asyncio
from collections.abc import Callable
from typing import Literal

import hypothesis.strategies as st
import pytest
from hypothesis import given

from inference_worker.batch import Batch

Step = tuple[Literal["enter", "suspect", "leave", "cancel", "settle"], int]

steps = st.lists(
    st.tuples(st.sampled_from(["enter", "enter", "suspect", "leave", "leave", "cancel", "settle"]), st.integers(0, 50)),
    max_size=60,
)


class Guest:
    """One job on its way through the batch, in a task of its own."""

    def __init__(self, batch: Batch, *, alone: bool, on_enter: Callable[["Guest"], None]) -> None:
        self.alone = alone
        self.is_inside = False
        self.had_to_wait = False
        self._may_leave = asyncio.Event()
        self.task = asyncio.create_task(self._visit(batch, on_enter))

    async def _visit(self, batch: Batch, on_enter: Callable[["Guest"], None]) -> None:
        self.had_to_wait = await batch.enter(self.alone)
        self.is_inside = True
        on_enter(self)
        try:
            await self._may_leave.wait()
        finally:
            self.is_inside = False
            batch.leave()

    def leave(self) -> None:
        self._may_leave.set()


class Party:
    """A batch and all its guests, in the order of their asking."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.batch = Batch(slots)
        self.guests: list[Guest] = []
        self.entered: list[Guest] = []

    async def ask(self, *, alone: bool = False) -> Guest:
        self.guests.append(Guest(self.batch, alone=alone, on_enter=self._enter))
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
        """Nobody waits who could be let in, and the count is true."""
        inside, waiting = self.inside(), self.waiting()
        assert self.batch.running == len(inside)
        if waiting:
            first = waiting[0]
            is_full = len(inside) == self.slots or any(guest.alone for guest in inside)
            assert bool(inside) if first.alone else is_full


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


async def test_a_suspect_waits_until_the_batch_is_empty_and_lets_nobody_in_beside_it() -> None:
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


async def test_a_suspect_enters_an_empty_batch_at_once() -> None:
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
    batch, second, third = await one_inside_and_two_waiting()
    batch.leave()
    second.cancel()
    assert await third
    assert second.cancelled()
    assert batch.running == 1


async def test_a_place_that_is_free_at_the_moment_of_a_giving_up_goes_to_the_next() -> None:
    batch, second, third = await one_inside_and_two_waiting()
    second.cancel()
    batch.leave()
    assert await third
    assert second.cancelled()
    assert batch.running == 1


async def one_inside_and_two_waiting() -> tuple[Batch, "asyncio.Task[bool]", "asyncio.Task[bool]"]:
    batch = Batch(1)
    await batch.enter(alone=False)
    second, third = [asyncio.create_task(batch.enter(alone=False)) for _ in range(2)]
    await asyncio.sleep(0)
    return batch, second, third


@pytest.mark.parametrize("alone", [False, True])
async def test_an_enter_that_is_never_awaited_takes_no_place(alone: bool) -> None:
    batch = Batch(1)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(batch.enter(alone), 0)
    assert batch.running == 0


@given(st.integers(1, 4), steps)
def test_whoever_comes_leaves_and_gives_up_in_whatever_order_no_place_is_lost(slots: int, plan: list[Step]) -> None:
    asyncio.run(run_party(slots, plan))


async def run_party(slots: int, plan: list[Step]) -> None:
    party = Party(slots)
    given_up: list[Guest] = []
    for what, which in plan:
        match what:
            case "enter" | "suspect":
                await party.ask(alone=what == "suspect")
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
    # One that need not wait may be on its way in a turn sooner than one whose place was just given to it.
    waited = [guest for guest in party.guests if guest.had_to_wait and guest not in given_up]
    assert [guest for guest in party.entered if guest in waited] == waited
    assert not [guest for guest in party.guests if guest not in party.entered and guest not in given_up]
    assert party.batch.running == 0
    assert not await party.batch.enter(alone=True)
