"""Documents that were read before, kept outside the model's cells: who asks on one again need not read it again.

Knows tokens, owners and ages; what was saved is opaque to it. Keys are the tokens themselves.
"""

from collections import OrderedDict
from itertools import count
from typing import Generic, TypeVar

import msgspec

from inference_worker.llama.kv_memory import Sized

Saved = TypeVar("Saved", bound=Sized)

_BLOCK = 256


class Donor(msgspec.Struct, Generic[Saved], frozen=True):
    """What some row held after it had read `tokens`. `owner` None: everybody may begin with it."""

    tokens: list[int]
    owner: str | None
    document: str
    saved: Saved


class Donors(Generic[Saved]):
    """The least recently used are dropped when all together take more than `budget_bytes`."""

    def __init__(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes
        self._ids = count()
        self._held: OrderedDict[int, Donor[Saved]] = OrderedDict()
        self._pinned: list[Donor[Saved]] = []
        self.used_bytes = 0

    def __len__(self) -> int:
        return len(self._held)

    @property
    def documents(self) -> set[str]:
        return {donor.document for donor in self._held.values()}

    def pin(self, donor: Donor[Saved]) -> None:
        """Keep a donor for good, outside the budget."""
        self._pinned.append(donor)

    def put(self, donor: Donor[Saved]) -> None:
        """Keep a donor, in place of those that it contains; one larger than the whole budget is not kept."""
        for key, held in list(self._held.items()):
            if held.owner == donor.owner and common_length(held.tokens, donor.tokens) == len(held.tokens):
                self._drop(key)
        self._held[next(self._ids)] = donor
        self.used_bytes += donor.saved.nbytes
        while self.used_bytes > self._budget_bytes:
            self._drop(next(iter(self._held)))

    def best(self, tokens: list[int], owner: str) -> tuple[int, Donor[Saved] | None]:
        """The donor of `owner` (or of everybody) that shares the most first tokens, and how many these are."""
        length, key = self._longest(tokens, owner)
        for donor in self._pinned:
            shared = common_length(donor.tokens, tokens)
            if shared >= length and shared:
                return shared, donor
        if key is None:
            return 0, None
        self._held.move_to_end(key)
        return length, self._held[key]

    def covers(self, tokens: list[int], owner: str, length: int) -> bool:
        """True when the first `length` tokens are kept already."""
        return self._longest(tokens, owner)[0] >= length

    def _longest(self, tokens: list[int], owner: str) -> tuple[int, int | None]:
        shared = (
            (common_length(donor.tokens, tokens), key) for key, donor in self._held.items() if donor.owner == owner
        )
        length, key = max(shared, default=(0, None))
        return (length, key) if length else (0, None)

    def _drop(self, key: int) -> None:
        self.used_bytes -= self._held.pop(key).saved.nbytes


def common_length(one: list[int], other: list[int]) -> int:
    """How many first tokens are the same. Compares blocks at a time, which Python does in C."""
    most = min(len(one), len(other))
    start = 0
    while start < most and one[start : min(start + _BLOCK, most)] == other[start : min(start + _BLOCK, most)]:
        start += _BLOCK
    for place in range(start, min(start + _BLOCK, most)):
        if one[place] != other[place]:
            return place
    return most
