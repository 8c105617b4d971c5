"""Whose job is next among those that wait for a place: clients take turns by tokens (deficit round robin).

In its turn a client may spend what it saved up and QUANTUM_TOKENS more; what it could not spend stays, until nothing
of its own waits any more. So whoever asks for much gets no more of the model than whoever asks for little, and
the length of a client's line moves nobody else back. Within a client a job whose document was read already
goes first, and one that was passed over PATIENCE times goes before all others: nobody starves.

Pure: no clock, no asyncio, no engine.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import msgspec

QUANTUM_TOKENS: Final = 1024
"""About one question on a document of two pages. With less, most jobs would wait for several rounds and the order be
the same; with more, a client of small questions would run several of them in a row before the next one's turn."""

PATIENCE: Final = 8
"""How often a job lets one of its own client's pass. As many as usually share the model: the questions that came
together on one document stay together, and the next such series does not pass."""


class Claim(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One job that waits for a place; each is itself only, whatever it holds."""

    owner: str
    cost_tokens: int
    is_warm: Callable[[], bool]
    """True while the job's document is in the model's memory."""
    alone: bool = False
    """It may only run with nothing beside it."""


class Turns:
    """The claims that wait, and the order of turns among their owners."""

    def __init__(self) -> None:
        self._lines: OrderedDict[str, _Line] = OrderedDict()
        """From the owner whose turn it is to the one who has just had it; no line is empty."""

    def add(self, claim: Claim) -> None:
        """Let a claim wait; an owner that had none waiting joins behind all others."""
        self._lines.setdefault(claim.owner, _Line()).add(claim)

    def remove(self, claim: Claim) -> None:
        """Forget a claim; one that does not wait is left alone."""
        if line := self._lines.get(claim.owner):
            line.remove(claim)
            self._drop_if_empty(claim.owner)

    def choose(self) -> Claim | None:
        """Take out the claim that is next; None when none waits."""
        if not self._lines:
            return None
        firsts = {owner: line.first() for owner, line in self._lines.items()}
        rounds = {owner: self._lines[owner].rounds_until(claim) for owner, claim in firsts.items()}
        owner = min(rounds, key=rounds.__getitem__)  # of several the first, whose turn comes sooner
        self._pass_turns_on(owner, rounds[owner])
        self._lines[owner].spend_on(firsts[owner])
        self._drop_if_empty(owner)
        return firsts[owner]

    def _pass_turns_on(self, owner: str, rounds: int) -> None:
        """Give everybody so many turns in which nobody had enough, then go on to `owner`."""
        for line in self._lines.values():
            line.saved_tokens += rounds * QUANTUM_TOKENS
        while (passed := next(iter(self._lines))) != owner:
            self._lines[passed].saved_tokens += QUANTUM_TOKENS
            self._lines.move_to_end(passed)

    def _drop_if_empty(self, owner: str) -> None:
        if self._lines[owner].is_empty:
            del self._lines[owner]


class _Line:
    """What waits of one owner, oldest first, and what the owner may spend in its next turn."""

    def __init__(self) -> None:
        self.saved_tokens = QUANTUM_TOKENS
        self._times_passed: dict[Claim, int] = {}

    @property
    def is_empty(self) -> bool:
        return not self._times_passed

    def add(self, claim: Claim) -> None:
        self._times_passed[claim] = 0

    def remove(self, claim: Claim) -> None:
        self._times_passed.pop(claim, None)

    def first(self) -> Claim:
        """The oldest when its patience is over, else the oldest warm one, else the oldest."""
        # Whoever passes a claim passes all older ones too: the oldest was passed most often.
        oldest, times = next(iter(self._times_passed.items()))
        if times >= PATIENCE or len(self._times_passed) == 1:
            return oldest
        return next((claim for claim in self._times_passed if claim.is_warm()), oldest)

    def rounds_until(self, claim: Claim) -> int:
        """How many more turns it takes to save up for a claim; 0 when there is enough."""
        missing_tokens = max(claim.cost_tokens - self.saved_tokens, 0)
        return -(-missing_tokens // QUANTUM_TOKENS)

    def spend_on(self, claim: Claim) -> None:
        """Take a claim out, past all that are older."""
        self.saved_tokens -= claim.cost_tokens
        for older in self._times_passed:
            if older is claim:
                break
            self._times_passed[older] += 1
        del self._times_passed[claim]
