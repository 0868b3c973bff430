"""What tools give back: single values, records, lists; and what is told of them."""

import json
import random
from typing import Any

from .. import lexicon as lx
from . import common


def plain(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, list):
        return ", ".join(plain(v) for v in value)
    if isinstance(value, dict):
        return ", ".join(f"{k} {plain(v)}" for k, v in value.items())
    return str(value)


KEYS = """temperature condition status price total count balance city code token id result value name date time
distance duration humidity wind stock quantity warehouse eta carrier location email phone answer amount currency
rate title author year score level speed voltage pressure message confirmation reference order_id tracking_number
room floor gate seat platform delay available open owner priority assignee due_date version size color unit
booking_id secret nonce ticket rating reviews weather_code sum average max min population capital serial""".split()


def _leaf(rng: random.Random) -> Any:
    return rng.choice(
        [
            lambda: lx.amount(rng),
            lambda: rng.randint(0, 99999),
            lambda: lx.code(rng),
            lambda: lx.code(rng),
            lambda: lx.noun(rng),
            lambda: lx.full_name(rng),
            lambda: lx.date(rng),
            lambda: lx.clock(rng),
            lambda: rng.random() < 0.5,
            lambda: lx.words(rng, 1, 3),
            lambda: lx.city(rng),
            lambda: lx.identifier(rng),
            lambda: -rng.randint(1, 40),
            lambda: [lx.noun(rng), lx.noun(rng)],
            lambda: lx.email(rng),
        ]
    )()


def record(rng: random.Random, low: int = 1, high: int = 5) -> dict[str, Any]:
    keys = rng.sample(KEYS, rng.randint(low, high))
    if rng.random() < 0.3:
        keys[0] = rng.choice(
            [lx.noun(rng), f"{lx.noun(rng)}_{rng.choice(KEYS)}", lx.word(rng).lower()]
        )
    return {key: _leaf(rng) for key in keys}


def result(rng: random.Random) -> tuple[str, str]:
    """What a tool answers, and how pilot reports it when nothing special is asked."""
    roll = rng.random()
    if roll < 0.55:
        data = record(rng)
        if len(data) == 1:
            key, value = next(iter(data.items()))
            return dump(rng, data), f"The {key.replace('_', ' ')} is {plain(value)}."
        pairs = ", ".join(f"{k.replace('_', ' ')} {plain(v)}" for k, v in data.items())
        return dump(rng, data), f"Result: {pairs}."
    if roll < 0.65:
        reason = rng.choice(
            [
                "not found",
                "timeout",
                "invalid " + lx.noun(rng),
                "permission denied",
                f"no such {lx.noun(rng)}",
                "server error " + str(rng.randint(400, 599)),
            ]
        )
        text = rng.choice([json.dumps({"error": reason}), f"Error: {reason}", f"error: {reason}"])
        return text, f"The tool failed: {reason}."
    value = rng.choice(
        [
            str(lx.amount(rng)),
            lx.code(rng),
            lx.words(rng, 1, 4),
            lx.code(rng),
            lx.noun(rng),
            f"{rng.randint(-20, 40)} degrees, {rng.choice(lx.english('adjective'))}",
            common.filler(rng).rstrip("."),
            f"{lx.noun(rng)}: {lx.code(rng)}",
            f"{rng.choice(['sunny', 'cloudy', 'rain', 'snow', 'fog'])}, {rng.randint(-9, 39)} C",
        ]
    )
    return value, f"The result is: {value}"


def dump(rng: random.Random, data: Any) -> str:
    roll = rng.random()
    if roll < 0.6:
        return json.dumps(data, ensure_ascii=False)
    if roll < 0.85:
        return json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return json.dumps(data, ensure_ascii=False, indent=2)
