"""The prefix cache against a plain list that does the same slowly."""

import mlx.core as mx
from hypothesis import given, settings
from hypothesis import strategies as st
from mlx_lm.models.cache import ArraysCache, KVCache

from mlxd.engine import kv
from mlxd.engine.prefix import PrefixCache, key_of

tokens = st.lists(st.integers(0, 2), min_size=1, max_size=8)


def trimmable(length: int) -> kv.Cache:
    cache = KVCache()
    cache.update_and_fetch(mx.zeros((1, 1, length, 2)), mx.zeros((1, 1, length, 2)))
    return [cache]


def fixed() -> kv.Cache:
    cache = ArraysCache(1)
    cache[0] = mx.zeros((1, 4))
    return [cache]


def shared(a: list[int], b: list[int]) -> int:
    for i, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return i
    return min(len(a), len(b))


@settings(deadline=None)
@given(st.lists(tokens, max_size=6), tokens)
def test_the_longest_beginning_is_found(stored: list[list[int]], wanted: list[int]) -> None:
    cache = PrefixCache(1 << 30)
    for one in stored:
        cache.store(key_of(one), trimmable(len(one)))
    best = max((min(shared(one, wanted), len(wanted) - 1) for one in stored), default=0)
    found = cache.find(key_of(wanted))
    assert (found.length if found else 0) == best
    if found:
        assert found.cache[0].offset == best


@settings(deadline=None)
@given(st.lists(tokens, max_size=6), tokens)
def test_state_that_cannot_be_trimmed_serves_only_whole(
    stored: list[list[int]], wanted: list[int]
) -> None:
    cache = PrefixCache(1 << 30)
    for one in stored:
        cache.store(key_of(one), fixed())
    whole = [len(one) for one in stored if wanted[: len(one)] == one and len(one) < len(wanted)]
    found = cache.find(key_of(wanted))
    assert (found.length if found else 0) == max(whole, default=0)


@settings(deadline=None)
@given(st.lists(tokens, max_size=12), st.integers(0, 20_000))
def test_the_budget_holds_and_the_count_is_true(stored: list[list[int]], budget: int) -> None:
    cache = PrefixCache(budget)
    for one in stored:
        cache.store(key_of(one), trimmable(len(one)))
        assert cache.nbytes <= budget
    assert cache.nbytes == sum(entry.nbytes for entry in cache._entries.values())


def test_the_least_recently_used_goes_first() -> None:
    size = kv.nbytes(trimmable(3))
    cache = PrefixCache(2 * size)
    cache.store(key_of([1, 1, 1]), trimmable(3))
    cache.store(key_of([2, 2, 2]), trimmable(3))
    assert cache.find(key_of([1, 1, 1, 5])) is not None
    cache.store(key_of([3, 3, 3]), trimmable(3))
    assert cache.find(key_of([1, 1, 1, 5])) is not None
    assert cache.find(key_of([2, 2, 2, 5])) is None


def test_a_row_that_grows_leaves_the_entry_as_it_was() -> None:
    cache = PrefixCache(1 << 20)
    cache.store(key_of([1, 2, 3]), trimmable(3))
    found = cache.find(key_of([1, 2, 3, 4]))
    assert found is not None
    found.cache[0].update_and_fetch(mx.ones((1, 1, 2, 2)), mx.ones((1, 1, 2, 2)))
    again = cache.find(key_of([1, 2, 3, 4]))
    assert again is not None
    assert float(again.cache[0].keys_and_values()[0].sum()) == 0.0
