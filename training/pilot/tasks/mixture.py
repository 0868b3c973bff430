"""How much of what a text batch holds."""

import random
from collections.abc import Callable

from ..phrase import Example
from . import (
    exact,
    found,
    generic,
    passage,
    recall,
    roles,
    structured,
    tags,
    talk,
    themed,
    toolcall,
)


def _idle_tools(rng: random.Random) -> Example:
    draw = rng.choices(
        [
            talk.chat,
            talk.unknown,
            exact.make,
            exact.make_bare,
            recall.make,
            passage.make,
            generic.questions,
        ],
        [0.5, 0.2, 0.1, 0.08, 0.06, 0.05, 0.05],
    )[0]
    return toolcall.with_tools(rng, draw)


Maker = Callable[[random.Random], Example]
SHARES: dict[str, tuple[float, Maker]] = {
    "exact": (0.2, exact.make),
    "bare": (0.06, exact.make_bare),
    "recall": (0.025, recall.make),
    "long": (0.014, recall.make_long),
    "role": (0.055, roles.make_role),
    "call": (0.19, toolcall.make),
    "loose": (0.05, generic.loose_call),
    "themed": (0.07, themed.make),
    "two": (0.16, toolcall.make_two),
    "loop": (0.02, roles.make_loop),
    "two_loop": (0.01, roles.make_two_loop),
    "found": (0.03, found.make),
    "idle": (0.08, _idle_tools),
    "unrelated": (0.02, themed.unrelated),
    "json": (0.015, structured.make),
    "fields": (0.025, generic.fields),
    "people": (0.01, generic.people),
    "literal": (0.015, structured.make_literal),
    "passage": (0.15, passage.make),
    "questions": (0.1, generic.questions),
    "tags": (0.045, tags.make),
    "unknown": (0.03, talk.unknown),
    "talk": (0.02, talk.chat),
    "errand": (0.02, talk.errand),
}


def draw(rng: random.Random) -> Example:
    names = list(SHARES)
    name = rng.choices(names, [SHARES[n][0] for n in names])[0]
    return SHARES[name][1](rng)
