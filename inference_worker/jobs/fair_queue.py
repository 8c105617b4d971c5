"""Which waiting job gets the next slot: deficit round robin over clients, counted in tokens.

In its turn a client may spend its saved tokens and QUANTUM_TOKENS more; what it does not spend is saved while it has
jobs waiting. So a client with large or many jobs gets no more of the model than one with few small ones. Within a
client, a job whose document is in the model's memory goes first, and a job that was overtaken PATIENCE times goes
before all others, so that none starves.

Algorithm: Shreedhar and Varghese, "Efficient fair queuing using deficit round robin" (1995).
Pure: no clock, no asyncio, no engine.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import msgspec

QUANTUM_TOKENS: Final = 1024
"""About one question on a document of two pages. With less, most jobs would wait for several rounds in the same order;
with more, a client with small questions would run several of them before the next client's turn."""

PATIENCE: Final = 8
"""How often a job may be overtaken by its own client's jobs. As many as usually share the model: questions that came
together on one document stay together, and the next such series does not overtake."""


class Claim(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One job that waits for a slot. Compared by identity."""

    owner: str
    cost_tokens: int
    is_warm: Callable[[], bool]
    """True while the job's document is in the model's memory."""
    company: int = 0
    """Of a suspect, how many suspects may run together, it included, and nothing else; 0 for any other job."""
    weight: float = 1.0
    """The part of QUANTUM_TOKENS that its owner may spend in a turn; the same for all claims of an owner."""


class FairQueue:
    """The waiting claims, and the order in which their owners take turns."""

    def __init__(self) -> None:
        self._lines: OrderedDict[str, _Line] = OrderedDict()
        """In order of turns, the next owner first; no line is empty."""

    def add(self, claim: Claim) -> None:
        """Add a claim; an owner that had none waiting gets the last turn."""
        self._lines.setdefault(claim.owner, _Line(QUANTUM_TOKENS * claim.weight)).add(claim)

    def remove(self, claim: Claim) -> None:
        """Remove a claim, if it waits."""
        if line := self._lines.get(claim.owner):
            line.remove(claim)
            self._drop_if_empty(claim.owner)

    def take(self, claim: Claim) -> None:
        """Take out a claim that waits, out of turn: its owner pays for it as for any other."""
        self._lines[claim.owner].spend_on(claim)
        self._drop_if_empty(claim.owner)

    def choose(self) -> Claim | None:
        """Take out the next claim; None when none waits."""
        if not self._lines:
            return None
        firsts = {owner: line.first() for owner, line in self._lines.items()}
        rounds = {owner: self._lines[owner].rounds_until(claim) for owner, claim in firsts.items()}
        owner = min(rounds, key=rounds.__getitem__)  # min() takes the first of equals, whose turn comes sooner
        self._pass_turns_on(owner, rounds[owner])
        self._lines[owner].spend_on(firsts[owner])
        self._drop_if_empty(owner)
        return firsts[owner]

    def _pass_turns_on(self, owner: str, rounds: int) -> None:
        """Credit every owner for `rounds` turns in which none could afford its claim, then advance to `owner`."""
        for line in self._lines.values():
            line.saved_tokens += rounds * line.quantum_tokens
        while (passed := next(iter(self._lines))) != owner:
            self._lines[passed].saved_tokens += self._lines[passed].quantum_tokens
            self._lines.move_to_end(passed)

    def _drop_if_empty(self, owner: str) -> None:
        if self._lines[owner].is_empty:
            del self._lines[owner]


class _Line:
    """One owner's waiting claims, oldest first, and the tokens it may spend in its next turn."""

    def __init__(self, quantum_tokens: float) -> None:
        self.quantum_tokens = quantum_tokens
        self.saved_tokens = quantum_tokens
        self._times_overtaken: dict[Claim, int] = {}

    @property
    def is_empty(self) -> bool:
        return not self._times_overtaken

    def add(self, claim: Claim) -> None:
        self._times_overtaken[claim] = 0

    def remove(self, claim: Claim) -> None:
        self._times_overtaken.pop(claim, None)

    def first(self) -> Claim:
        """The oldest once it was overtaken PATIENCE times, else the oldest warm one, else the oldest."""
        # Overtaking a claim overtakes all older ones too, so the oldest has the highest count.
        oldest, times = next(iter(self._times_overtaken.items()))
        if times >= PATIENCE or len(self._times_overtaken) == 1:
            return oldest
        return next((claim for claim in self._times_overtaken if claim.is_warm()), oldest)

    def rounds_until(self, claim: Claim) -> int:
        """How many more turns until the owner can afford the claim; 0 if it can now."""
        missing_tokens = max(claim.cost_tokens - self.saved_tokens, 0)
        return math.ceil(missing_tokens / self.quantum_tokens)

    def spend_on(self, claim: Claim) -> None:
        """Take a claim out, and count it as overtaking all older ones."""
        self.saved_tokens -= claim.cost_tokens
        for older in self._times_overtaken:
            if older is claim:
                break
            self._times_overtaken[older] += 1
        del self._times_overtaken[claim]
