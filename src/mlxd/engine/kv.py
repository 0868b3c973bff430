"""Key-value caches of mlx-lm and mlx-vlm, handled alike: per row, or merged into a batch.

A row's cache is a list with one entry a layer. A clone shares its data with the original and costs
nothing until one of the two grows.
"""

import copy
from collections.abc import Sequence
from typing import Any

import mlx.core as mx

Cache = list[Any]


def can_batch(cache: Cache) -> bool:
    return all(hasattr(type(c), "merge") for c in cache)


def to_batch(rows: Sequence[Cache]) -> Cache:
    return [type(layer[0]).merge(list(layer)) for layer in zip(*rows, strict=True)]


def can_pad(batch: Cache) -> bool:
    """Whether prompts of different lengths can be run through it together."""
    return all(hasattr(c, "prepare") and hasattr(c, "finalize") for c in batch)


def pad(batch: Cache, lengths: Sequence[int]) -> None:
    """Announce a chunk whose rows are padded on the right to the longest."""
    longest = max(lengths)
    padding = [longest - n for n in lengths]
    for c in batch:
        c.prepare(lengths=list(lengths), right_padding=padding)


def unpad(batch: Cache) -> None:
    for c in batch:
        c.finalize()


def extend(batch: Cache, other: Cache) -> None:
    for mine, theirs in zip(batch, other, strict=True):
        mine.extend(theirs)


def keep(batch: Cache, indices: Sequence[int]) -> None:
    wanted = mx.array(list(indices))
    for c in batch:
        c.filter(wanted)


def extract(batch: Cache, index: int) -> Cache:
    return [c.extract(index) for c in batch]


def clone(cache: Cache) -> Cache:
    return [_clone(c) for c in cache]


def _clone(value: Any) -> Any:
    """Assigning to a slice of an `mx.array` changes what that very object refers to, so each
    clone needs array objects of its own; what they refer to is shared."""
    if isinstance(value, (list, tuple)):
        return type(value)(_clone(v) for v in value)
    if isinstance(value, mx.array):
        return copy.copy(value)
    if not hasattr(value, "__dict__"):
        return value
    twin = copy.copy(value)
    for name, inner in vars(value).items():
        setattr(twin, name, _clone(inner))
    return twin


def can_trim(cache: Cache) -> bool:
    """A cache that says so may still have given up its beginning, which `start_position` shows:
    what a shorter one would need is gone."""
    return all(c.is_trimmable() and not getattr(c, "start_position", 0) for c in cache)


def trim(cache: Cache, tokens: int) -> None:
    if tokens:
        for c in cache:
            c.trim(tokens)


def arrays(cache: Cache) -> list[mx.array]:
    """Everything on the device that the cache holds, to be evaluated together."""
    found: list[mx.array] = []
    pending: list[Any] = [c.state for c in cache if not c.empty()]
    while pending:
        item = pending.pop()
        if isinstance(item, mx.array):
            found.append(item)
        elif isinstance(item, (list, tuple)):
            pending.extend(item)
    return found


def nbytes(cache: Cache) -> int:
    return sum(a.nbytes for a in arrays(cache))


def bytes_per_token(cache: Cache) -> int:
    """What one more token costs, from a cache that holds some. State of fixed size counts as 0."""
    total = 0
    pending = list(cache)
    while pending:
        c = pending.pop()
        pending.extend(getattr(c, "caches", ()))
        for name in ("keys", "values"):
            value = getattr(c, name, None)
            for a in value if isinstance(value, (list, tuple)) else (value,):
                if isinstance(a, mx.array) and a.ndim == 4 and a.shape[2]:
                    total += a.nbytes // a.shape[2]
    return total
