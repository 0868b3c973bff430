"""How much of what a text batch holds."""

import random
from collections.abc import Callable

from ..phrase import Example
from . import exact, passage, recall, structured, tags, talk, toolcall


def _idle_tools(rng: random.Random) -> Example:
    other = rng.choice([talk.unknown, talk.chat, exact.make, recall.make, passage.make, talk.unknown])(rng)
    return toolcall.with_tools(rng, other)


Maker = Callable[[random.Random], Example]
SHARES: dict[str, tuple[float, Maker]] = {
    "exact": (0.17, exact.make), "recall": (0.05, recall.make), "long": (0.02, recall.make_long),
    "role": (0.10, toolcall.make_role), "call": (0.25, toolcall.make), "two": (0.07, toolcall.make_two),
    "loop": (0.05, toolcall.make_loop), "two_loop": (0.015, toolcall.make_two_loop),
    "idle": (0.045, _idle_tools), "json": (0.05, structured.make), "literal": (0.015, structured.make_literal),
    "passage": (0.085, passage.make), "tags": (0.03, tags.make), "unknown": (0.035, talk.unknown),
    "talk": (0.01, talk.chat), "errand": (0.03, talk.errand)}


def draw(rng: random.Random) -> Example:
    names = list(SHARES)
    name = rng.choices(names, [SHARES[n][0] for n in names])[0]
    return SHARES[name][1](rng)
