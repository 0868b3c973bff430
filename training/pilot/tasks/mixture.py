"""How much of what a text batch holds."""

import random
from collections.abc import Callable

from ..phrase import Example
from . import exact, generic, passage, recall, structured, tags, talk, toolcall


def _idle_tools(rng: random.Random) -> Example:
    other = rng.choice(
        [talk.unknown, talk.chat, exact.make, recall.make, passage.make, talk.unknown]
    )(rng)
    return toolcall.with_tools(rng, other)


Maker = Callable[[random.Random], Example]
SHARES: dict[str, tuple[float, Maker]] = {
    "exact": (0.18, exact.make),
    "recall": (0.04, recall.make),
    "long": (0.025, recall.make_long),
    "role": (0.10, toolcall.make_role),
    "call": (0.19, toolcall.make),
    "loose": (0.085, generic.loose_call),
    "two": (0.08, toolcall.make_two),
    "loop": (0.05, toolcall.make_loop),
    "two_loop": (0.015, toolcall.make_two_loop),
    "idle": (0.045, _idle_tools),
    "json": (0.025, structured.make),
    "fields": (0.04, generic.fields),
    "people": (0.01, generic.people),
    "literal": (0.015, structured.make_literal),
    "passage": (0.055, passage.make),
    "questions": (0.10, generic.questions),
    "tags": (0.03, tags.make),
    "unknown": (0.03, talk.unknown),
    "talk": (0.01, talk.chat),
    "errand": (0.03, talk.errand),
}


def draw(rng: random.Random) -> Example:
    names = list(SHARES)
    name = rng.choices(names, [SHARES[n][0] for n in names])[0]
    return SHARES[name][1](rng)
