"""What was already computed for the beginning of a prompt, kept for the next prompt that shares it.

Entries are keyed by tokens; a token that stands for part of an image is replaced by a number made
from the image's content, so that two pictures of one size never pass for each other.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from . import kv

Key = npt.NDArray[np.int64]


@dataclass
class Entry:
    key: Key
    cache: kv.Cache
    nbytes: int


@dataclass
class Found:
    cache: kv.Cache
    length: int


@dataclass
class PrefixCache:
    """Least recently used out first, bounded in bytes. Length counts tokens."""

    budget: int
    nbytes: int = 0
    hits: int = 0
    lookups: int = 0
    _entries: OrderedDict[int, Entry] = field(default_factory=OrderedDict)
    _next_id: int = 1

    def find(self, key: Key) -> Found | None:
        """The longest stored beginning of `key`, short of its last token (which must be run).

        A cache that can't be trimmed serves only where the whole of it is a beginning of `key`.
        """
        self.lookups += 1
        best: tuple[int, int] = (0, 0)
        for entry_id, entry in self._entries.items():
            length = min(common(entry.key, key), len(key) - 1)
            if length <= best[0]:
                continue
            if length < len(entry.key) and not kv.can_trim(entry.cache):
                continue
            best = (length, entry_id)
        length, entry_id = best
        if not length:
            return None
        self.hits += 1
        self._entries.move_to_end(entry_id)
        entry = self._entries[entry_id]
        cache = kv.clone(entry.cache)
        kv.trim(cache, len(entry.key) - length)
        return Found(cache, length)

    def store(self, key: Key, cache: kv.Cache) -> None:
        size = kv.nbytes(cache)
        if size > self.budget or not len(key):
            return
        trimmable = kv.can_trim(cache)
        for entry_id, entry in list(self._entries.items()):
            shared = common(entry.key, key)
            if shared == len(key) == len(entry.key):
                self.drop(entry_id)
            elif shared == len(entry.key) and trimmable:
                self.drop(entry_id)  # the new entry can be trimmed back to it
            elif shared == len(key) and kv.can_trim(entry.cache):
                self._entries.move_to_end(entry_id)
                return
        self._entries[self._next_id] = Entry(key, cache, size)
        self._next_id += 1
        self.nbytes += size
        self.shrink(self.budget)

    def drop(self, entry_id: int) -> None:
        entry = self._entries.pop(entry_id, None)
        if entry is not None:
            self.nbytes -= entry.nbytes

    def shrink(self, budget: int) -> None:
        while self._entries and self.nbytes > budget:
            self.drop(next(iter(self._entries)))


def common(a: Key, b: Key) -> int:
    """How many leading tokens two keys share."""
    n = min(len(a), len(b))
    different = np.flatnonzero(a[:n] != b[:n])
    return int(different[0]) if len(different) else n


def key_of(tokens: Sequence[int]) -> Key:
    return np.asarray(tokens, dtype=np.int64)
