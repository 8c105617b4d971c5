"""Prefixes of former prompts, saved outside the KV cache, so that a document need not be prefilled again.

Knows tokens, owners and ages; what was saved is opaque to it. Keys are the tokens themselves.
"""

from collections import OrderedDict
from itertools import count
from typing import Generic, TypeVar

import msgspec

from inference_worker.llama.kv_memory import Sized

Saved = TypeVar("Saved", bound=Sized)

_BLOCK = 256


class CachedPrefix(msgspec.Struct, Generic[Saved], frozen=True):
    """What a row held after prefilling `tokens`. `owner` None: all owners may use it."""

    tokens: list[int]
    owner: str | None
    document: str
    saved: Saved


class PrefixCache(Generic[Saved]):
    """Drops the least recently used prefixes when all together take more than `budget_bytes`."""

    def __init__(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes
        self._ids = count()
        self._held: OrderedDict[int, CachedPrefix[Saved]] = OrderedDict()
        self._pinned: list[CachedPrefix[Saved]] = []
        self.used_bytes = 0

    def __len__(self) -> int:
        return len(self._held)

    @property
    def documents(self) -> set[str]:
        """The documents that a cached prefix begins with."""
        return {cached.document for cached in self._held.values()}

    def pin(self, cached: CachedPrefix[Saved]) -> None:
        """Keep a prefix for good, outside the budget."""
        self._pinned.append(cached)

    def put(self, cached: CachedPrefix[Saved]) -> None:
        """Keep a prefix, in place of those that it contains; one larger than the whole budget is not kept."""
        for key, held in list(self._held.items()):
            if held.owner == cached.owner and common_length(held.tokens, cached.tokens) == len(held.tokens):
                self._drop(key)
        self._held[next(self._ids)] = cached
        self.used_bytes += cached.saved.nbytes
        while self.used_bytes > self._budget_bytes:
            self._drop(next(iter(self._held)))

    def clear(self) -> None:
        """Drop all but what is pinned."""
        self._held.clear()
        self.used_bytes = 0

    def best(self, tokens: list[int], owner: str, *, whole: bool = False) -> tuple[int, CachedPrefix[Saved] | None]:
        """The prefix of `owner` (or of all owners) that shares the most first tokens, and how many it shares.

        `whole`: only one of which no token is left out, and that leaves one to evaluate.
        """
        length, key = self._longest(tokens, owner, whole=whole)
        for cached in self._pinned:
            shared = _shared(cached, tokens, whole=whole)
            if shared >= length and shared:
                return shared, cached
        if key is None:
            return 0, None
        self._held.move_to_end(key)
        return length, self._held[key]

    def covers(self, tokens: list[int], owner: str, length: int) -> bool:
        """True when the first `length` tokens are cached already."""
        return self._longest(tokens, owner)[0] >= length

    def _longest(self, tokens: list[int], owner: str, *, whole: bool = False) -> tuple[int, int | None]:
        shared = (
            (_shared(cached, tokens, whole=whole), key) for key, cached in self._held.items() if cached.owner == owner
        )
        length, key = max(shared, default=(0, None))
        return (length, key) if length else (0, None)

    def _drop(self, key: int) -> None:
        self.used_bytes -= self._held.pop(key).saved.nbytes


def _shared(cached: CachedPrefix[Saved], tokens: list[int], *, whole: bool) -> int:
    shared = common_length(cached.tokens, tokens)
    return 0 if whole and not (shared == len(cached.tokens) < len(tokens)) else shared


def common_length(one: list[int], other: list[int]) -> int:
    """How many first tokens are the same. Compares blocks, which Python does in C."""
    most = min(len(one), len(other))
    start = 0
    while start < most and one[start : min(start + _BLOCK, most)] == other[start : min(start + _BLOCK, most)]:
        start += _BLOCK
    for index in range(start, min(start + _BLOCK, most)):
        if one[index] != other[index]:
            return index
    return most
