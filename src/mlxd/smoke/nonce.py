"""Fresh values that stand nowhere else, so that only a server that read the request knows them.

Letters and digits that look alike in print (0 O, 1 I l, 5 S, 8 B, 2 Z) are left out.
"""

import random
from collections.abc import Sequence
from typing import TypeVar

LETTERS = "ACDEFGHJKMNPQRTUVWXY"
DIGITS = "34679"
ITEMS = ("lamp", "chair", "kettle", "bridge", "engine", "garden", "violin", "anchor", "mirror")
COLOURS = ("red", "green", "blue", "yellow", "black", "white")

T = TypeVar("T")


class Nonces:
    def __init__(self, source: random.Random | None = None) -> None:
        self._random = source or random.SystemRandom()
        self._used: set[str] = set()

    def code(self) -> str:
        """Such as KQV-4937."""
        while True:
            letters = "".join(self._random.choice(LETTERS) for _ in range(3))
            digits = "".join(self._random.choice(DIGITS) for _ in range(4))
            if (made := f"{letters}-{digits}") not in self._used:
                self._used.add(made)
                return made

    def word(self) -> str:
        """A made-up name that can be a key or part of one, such as kotavi."""
        while True:
            made = "".join(
                self._random.choice("dfgklmnprtv") + self._random.choice("aeiou") for _ in range(3)
            )
            if made not in self._used:
                self._used.add(made)
                return made

    def number(self, low: int = 1000, high: int = 9999) -> int:
        return self._random.randint(low, high)

    def choice(self, options: Sequence[T]) -> T:
        return self._random.choice(options)

    def sample(self, options: Sequence[T], count: int) -> list[T]:
        return self._random.sample(options, count)
