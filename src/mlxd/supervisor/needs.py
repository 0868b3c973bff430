"""Which engines should run, from what is assigned: pure functions, tried without any process.

    needed and not running          start
    not needed by anything          drain and stop
    otherwise                       leave alone

A model is needed that a capability is assigned to, or that someone holds: pinned, started by name,
or asked for by name. A model that rests (idle for too long, evicted, stopped by name) is needed and
yet not running: the next request for it starts it, not a change elsewhere.
"""

from collections.abc import Mapping, Sequence, Set

import msgspec


class Orders(msgspec.Struct, frozen=True):
    start: list[str] = []
    stop: list[str] = []


def decide(
    running: Set[str], assigned: Mapping[str, str | None], held: Set[str], resting: Set[str]
) -> Orders:
    """`running`: has a process, or is on its way to one. `assigned`: a model each capability."""
    by_capability = dict.fromkeys(model for model in assigned.values() if model is not None)
    needed = [*by_capability, *(one for one in sorted(held) if one not in by_capability)]
    return Orders(
        start=[one for one in needed if one not in running and one not in resting],
        stop=sorted(one for one in running if one not in needed),
    )


def opening(
    able: Sequence[tuple[str, Sequence[str]]], kept: Mapping[str, str | None]
) -> dict[str, str | None]:
    """The assignments at start-up. `able`: the models that settings name, with what they can do,
    in that order; `kept`: what was decided earlier, which they do not overrule."""
    made = dict(kept)
    for model, capabilities in able:
        for capability in capabilities:
            made.setdefault(capability, model)
    return made
