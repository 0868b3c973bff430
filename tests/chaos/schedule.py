"""What happens in a soak, and when: drawn from a seed and from nothing else."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

MODELS = ("a", "b", "c", "d")
CAPABILITY = "code"
SIGNALS = ("SIGKILL", "SIGSTOP", "SIGTERM")

# What is asked for. Every answer is known from an undisturbed run.
PROMPTS = (
    "say these five words again",
    "[[tokens 3]]",
    "[[tokens 25]]",
    "[[tokens 60]]",
    "[[wait 0.4]] [[tokens 20]]",
    "[[reason 8]] [[tokens 20]]",
    '[[tokens 6]] [[call look {"at": "this", "and": [1, 2, 3]}]]',
    '[[reason 4]] [[call one {"a": 1}]] [[call two {"b": [2]}]]',
    "[[tokens 30]] [[die-once 9]]",
    "[[tokens 12]] [[stranger 4]]",
    "[[why end_of_sequence_first]]",
)
# These end with an error, whatever else happens.
POISON = (
    "[[tokens 20]] [[die 5]]",
    "[[tokens 20]] [[hang 5]]",
    "[[tokens 20]] [[stop-self 3]]",
    "[[tokens 20]] [[exit 3]]",
    "[[tokens 20]] [[malformed 3]]",
    "[[tokens 20]] [[half 3]]",
    "[[tokens 20]] [[raise 5]]",
    "[[fail client]]",
)
SHAPES: tuple[dict[str, Any], ...] = (
    {"stream": True},
    {},
    {"stream": True, "n": 2},
    {"n": 3},
    {"stream": True, "logprobs": True, "top_logprobs": 2},
    {"stream": True, "max_tokens": 10},
    {"max_tokens": 17, "logprobs": True},
)
# What a client does: read to the end, mostly.
MANNERS = ("stays",) * 10 + ("leaves", "leaves", "reads slowly", "closes half")
LEAVES_WITHIN_S = 1.5


@dataclass(frozen=True)
class Act:
    """`at` in seconds from the beginning."""

    at: float
    what: str
    model: str = ""
    more: dict[str, Any] = field(default_factory=dict)


def schedule(seed: int, seconds: float) -> list[Act]:
    dice = random.Random(seed)
    # Streams of events with mean distances of their own, in seconds.
    streams = {
        _ask: 0.16,
        _burst: 6.0,
        _poison: 4.0,
        _signal: 1.5,
        _control: 2.5,
        _assign: 1.5,
        _reload: 6.0,
        _gateway: 17.0,
    }
    acts: list[Act] = []
    for draw, mean in streams.items():
        at = dice.expovariate(1 / mean)
        while at < seconds:
            acts += draw(dice, at)
            at += dice.expovariate(1 / mean)
    return sorted(acts, key=lambda act: act.at)


def _ask(dice: random.Random, at: float) -> Iterator[Act]:
    more = {
        "prompt": dice.choice(PROMPTS),
        "shape": dice.choice(SHAPES),
        "manner": dice.choice(MANNERS),
        "after": round(dice.uniform(0, LEAVES_WITHIN_S), 3),
    }
    yield Act(at, "ask", dice.choice(MODELS), more)


def _burst(dice: random.Random, at: float) -> Iterator[Act]:
    model = dice.choice(MODELS)
    for _ in range(20):
        for act in _ask(dice, at):
            yield Act(at, "ask", model, act.more)


def _poison(dice: random.Random, at: float) -> Iterator[Act]:
    more = {"prompt": dice.choice(POISON), "shape": dice.choice(SHAPES), "manner": "stays"}
    yield Act(at, "ask", dice.choice(MODELS), more)


def _signal(dice: random.Random, at: float) -> Iterator[Act]:
    yield Act(at, "signal", dice.choice(MODELS), {"number": dice.choice(SIGNALS)})


def _control(dice: random.Random, at: float) -> Iterator[Act]:
    yield Act(
        at, "control", dice.choice(MODELS), {"what": dice.choice(("start", "stop", "restart"))}
    )


def _assign(dice: random.Random, at: float) -> Iterator[Act]:
    """Now and then many in a row."""
    for i in range(dice.choice((1, 1, 1, 12))):
        yield Act(at + i * 0.02, "assign", dice.choice((*MODELS, "")))


def _reload(dice: random.Random, at: float) -> Iterator[Act]:
    more = {"by": dice.choice(("SIGHUP", "HTTP")), "rows": dice.choice((6, 7))}
    yield Act(at, "reload", more=more)


def _gateway(dice: random.Random, at: float) -> Iterator[Act]:
    yield Act(at, "gateway", more={"by": dice.choice(("SIGKILL", "SIGTERM", "SIGINT"))})
