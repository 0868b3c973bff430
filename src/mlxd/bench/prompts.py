"""Prompts of a wanted length in tokens, each one new, so that no prefix cache flatters."""

import random
import string
from dataclasses import dataclass

# Two letters after a space are one token in nearly every vocabulary, small ones too if the first
# letter is an early one, so lengths come out even.
_FIRST, _SECOND = string.ascii_lowercase[:15], string.ascii_lowercase


def words(count: int, seed: str) -> str:
    """`count` two-letter words; the same seed gives the same words, another seed others."""
    pick = random.Random(seed)
    return " ".join(pick.choice(_FIRST) + pick.choice(_SECOND) for _ in range(count))


@dataclass(frozen=True)
class Lengths:
    """How many tokens a server counts for a prompt of so many words."""

    fixed: float
    each: float

    @classmethod
    def through(cls, few: tuple[int, int], many: tuple[int, int]) -> "Lengths":
        """From two (words, prompt tokens) that the server reported."""
        each = (many[1] - few[1]) / (many[0] - few[0])
        if each <= 0:
            raise ValueError(f"usage.prompt_tokens does not grow with the prompt: {few}, {many}")
        return cls(few[1] - each * few[0], each)

    def learn(self, words: int, tokens: int) -> "Lengths":
        """The same template, with the words' weight as a long prompt showed it."""
        return Lengths(self.fixed, max(0.1, (tokens - self.fixed) / words))

    def words_for(self, tokens: int) -> int:
        return max(1, round((tokens - self.fixed) / self.each))
