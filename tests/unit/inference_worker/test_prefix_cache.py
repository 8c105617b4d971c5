"""What is kept of documents that were read: by tokens, by owner, within a budget."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from inference_worker.llama.prefix_cache import CachedPrefix, PrefixCache, common_length

Saved = np.ndarray


def a_prefix(tokens: list[int], owner: str | None = "http.a") -> CachedPrefix[Saved]:
    return CachedPrefix(tokens, owner, "doc", np.array(tokens, np.int32))


def lengths(cache: PrefixCache[Saved], tokens: list[int], owner: str = "http.a") -> int:
    return cache.best(tokens, owner)[0]


@given(
    shared=st.lists(st.integers(0, 3), max_size=600), one=st.lists(st.integers(0, 1)), other=st.lists(st.integers(2, 3))
)
def test_the_common_length_is_where_two_texts_part(shared: list[int], one: list[int], other: list[int]) -> None:
    assert common_length(shared + one, shared + other) == len(shared)


def test_the_prefix_that_shares_the_most_is_the_best() -> None:
    cache: PrefixCache[Saved] = PrefixCache(10_000)
    cache.put(a_prefix([1, 2, 9]))
    cache.put(a_prefix([1, 2, 3, 4]))
    assert lengths(cache, [1, 2, 3, 5]) == 3


def test_another_owner_gets_nothing_of_it() -> None:
    cache: PrefixCache[Saved] = PrefixCache(10_000)
    cache.put(a_prefix([1, 2, 3]))
    assert lengths(cache, [1, 2, 3], "http.b") == 0
    assert not cache.covers([1, 2, 3], "http.b", 1)


def test_a_pinned_prefix_is_everybodys_and_takes_no_budget() -> None:
    cache: PrefixCache[Saved] = PrefixCache(0)
    cache.pin(a_prefix([7, 7, 7], owner=None))
    assert lengths(cache, [7, 7, 7, 1], "http.b") == 3
    assert cache.used_bytes == 0


def test_the_least_recently_used_goes_first() -> None:
    cache: PrefixCache[Saved] = PrefixCache(3 * 4 * 4)
    for first in (1, 2, 3):
        cache.put(a_prefix([first, 0, 0, 0]))
    assert lengths(cache, [1, 0]) == 2
    cache.put(a_prefix([4, 0, 0, 0]))
    assert [lengths(cache, [first, 0]) for first in (1, 2, 3, 4)] == [2, 0, 2, 2]


def test_a_longer_prefix_takes_the_place_of_those_that_it_contains() -> None:
    cache: PrefixCache[Saved] = PrefixCache(10_000)
    cache.put(a_prefix([1, 2]))
    cache.put(a_prefix([1, 2, 3]))
    assert len(cache) == 1
    assert cache.used_bytes == 3 * 4


def test_what_is_larger_than_the_budget_is_not_kept() -> None:
    cache: PrefixCache[Saved] = PrefixCache(8)
    cache.put(a_prefix([1, 2, 3]))
    assert (len(cache), cache.used_bytes) == (0, 0)
