"""Whether a model really can what it is said to: it is asked, with values that are new each time.

A check raises Unable with what the model did instead.
"""

import json
import math
import random
import struct
from collections.abc import Awaitable, Callable
from typing import Protocol

from mlxd import wire

from .contract import RequestFailed, Stream
from .drawing import COLOURS, shape

# Enough for any of these answers, and an end for a model that babbles.
MOST_TOKENS = 256
# One colour of four is guessed often; six of eight once in 240 times. A model that sees well may
# still be wrong about one picture.
PICTURES, RIGHT = 8, 6
GREEDY = wire.Sampling(temperature=0.0, seed=0)
# Look-alikes (0 O, 1 I, 5 S, 8 B, 2 Z) are left out.
LETTERS, DIGITS = "ACDEFGHJKMNPQRTUVWXY", "34679"
# A sentence, one that means nearly the same, and one about something else.
SENTENCES = (
    ("The cat sleeps on the sofa.", "A cat is asleep on the couch.", "Interest rates rose again."),
    ("How do I reset my password?", "I forgot my password, what now?", "The soup needs more salt."),
    ("It will rain tomorrow.", "Tomorrow's forecast is rain.", "She plays the violin very well."),
)


class Unable(Exception):
    pass


class Asked(Protocol):
    """A model's slot."""

    def generate(self, submit: wire.Submit) -> Stream: ...
    async def embed(self, frame: wire.Embed) -> wire.Embedded: ...


async def found(check: "Check", model: Asked, dice: random.Random) -> tuple[bool, str]:
    """Whether it can, and what it did."""
    try:
        return True, await check(model, dice)
    except Unable as error:
        return False, str(error)
    except RequestFailed as error:
        # What it can't do, it refuses; a fault of the engine is no answer to the question.
        if error.failed.blame != "client":
            raise
        return False, str(error)


async def text(model: Asked, dice: random.Random) -> str:
    code = _code(dice)
    asked = f"Reply with exactly this and nothing else: {code}"
    said, _ = await _answer(model, wire.Chat([_user(asked)]))
    if said.strip() != code:
        raise Unable(f"asked to repeat {code}, it said {_shown(said)}")
    return f"it repeated {code}"


async def vision(model: Asked, dice: random.Random) -> str:
    asked = "What colour is the shape? Answer with one word."
    wrong = []
    for colour in dice.choices(list(COLOURS), k=PICTURES):
        picture = wire.ImagePart(shape(colour, dice), "a picture drawn for this check")
        message = wire.Message("user", [picture, wire.TextPart(asked)])
        said, _ = await _answer(model, wire.Chat([message]))
        if [one for one in COLOURS if one in said.lower()] != [colour]:
            wrong.append(f"shown a {colour} shape, it said {_shown(said)}")
        if PICTURES - len(wrong) < RIGHT:
            raise Unable("; ".join(wrong))
    right = PICTURES - len(wrong)
    return f"it named the colours of {right} of {PICTURES} new pictures"


async def tool_use(model: Asked, dice: random.Random) -> str:
    door, value = _code(dice), _code(dice)
    parameters = {
        "type": "object",
        "properties": {"door": {"type": "string", "description": "Name of the door"}},
        "required": ["door"],
        "additionalProperties": False,
    }
    tool = wire.Tool("get_access_code", "Get the access code of a door.", parameters)
    asked = f"What is the access code of door {door}? Use the tool, and reply with only the value."
    said, calls = await _answer(model, wire.Chat([_user(asked)], [tool]))
    if len(calls) != 1 or calls[0].name != tool.name:
        names = ", ".join(call.name for call in calls) or "no tool"
        raise Unable(f"asked to use {tool.name}, it called {names} and said {_shown(said)}")
    if _object(calls[0].arguments) != {"door": door}:
        raise Unable(f"asked about door {door}, it called with {_shown(calls[0].arguments)}")
    told = wire.TextPart(json.dumps({"access_code": value}))
    messages = [
        _user(asked),
        wire.Message("assistant", tool_calls=calls),
        wire.Message("tool", [told], tool_call_id=calls[0].id),
    ]
    said, _ = await _answer(model, wire.Chat(messages, [tool]))
    if value not in said:
        raise Unable(f"its tool returned {value}, and it said {_shown(said)}")
    return f"it called {tool.name} for door {door} and told the {value} that came back"


async def structured_output(model: Asked, dice: random.Random) -> str:
    codes = [_code(dice) for _ in range(3)]
    keys = ["".join(dice.choice("dfgklmnprtv") + dice.choice("aeiou") for _ in "123") for _ in "12"]
    keys = [f"{key}{i}" for i, key in enumerate(keys)]
    properties = {keys[0]: {"type": "string", "enum": codes}, keys[1]: {"type": "boolean"}}
    schema = {
        "type": "object",
        "properties": properties,
        "required": keys,
        "additionalProperties": False,
    }
    asked = f'Reply with a JSON object in which {keys[0]} is "{codes[0]}", {keys[1]} is true.'
    form = wire.Format("json_schema", json.dumps(schema))
    said, _ = await _answer(model, wire.Chat([_user(asked)]), form)
    made = _object(said) or {}
    fits = set(made) == set(keys) and isinstance(made[keys[1]], bool)
    if not fits or not any(made[keys[0]] == code for code in codes):
        raise Unable(f"what it said does not satisfy the schema: {_shown(said)}")
    return f"it satisfied a new schema: {said.strip()}"


async def embedding(model: Asked, dice: random.Random) -> str:
    sentences = [sentence for three in SENTENCES for sentence in three]
    embedded = await model.embed(wire.Embed(0, [wire.Text(one) for one in sentences]))
    vectors = [struct.unpack(f"<{len(one) // 4}f", one) for one in embedded.vectors]
    for i in range(0, len(sentences), 3):
        near, far = _cosine(vectors[i], vectors[i + 1]), _cosine(vectors[i], vectors[i + 2])
        if not near > far:
            raise Unable(
                f"{sentences[i]!r} is nearer to {sentences[i + 2]!r} ({far:.3f}) "
                f"than to {sentences[i + 1]!r} ({near:.3f})"
            )
    return f"of {len(SENTENCES)} sentences each was nearer to its like than to another"


Check = Callable[[Asked, random.Random], Awaitable[str]]
CHECKS: dict[str, Check] = {
    "text": text,
    "vision": vision,
    "tool_use": tool_use,
    "structured_output": structured_output,
    "embedding": embedding,
}


async def _answer(
    model: Asked, chat: wire.Chat, form: wire.Format | None = None
) -> tuple[str, list[wire.ToolCall]]:
    submit = wire.Submit(0, chat, GREEDY, max_tokens=MOST_TOKENS, format=form)
    said: list[str] = []
    names: dict[int, str] = {}
    arguments: dict[int, str] = {}
    stream = model.generate(submit)
    try:
        async for events in stream:
            for event in events:
                said.append(event.text)
                for delta in event.calls:
                    names.setdefault(delta.index, delta.name or "")
                    arguments[delta.index] = arguments.get(delta.index, "") + delta.arguments
    finally:
        await stream.aclose()
    calls = [wire.ToolCall(f"call_{i}", names[i], arguments[i]) for i in sorted(names)]
    return "".join(said), calls


def _user(text: str) -> wire.Message:
    return wire.Message("user", [wire.TextPart(text)])


def _code(dice: random.Random) -> str:
    letters = "".join(dice.choice(LETTERS) for _ in range(3))
    return letters + "-" + "".join(dice.choice(DIGITS) for _ in range(4))


def _object(text: str) -> dict[str, object] | None:
    try:
        made = json.loads(text)
    except ValueError:
        return None
    return made if isinstance(made, dict) else None


def _cosine(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    length = math.hypot(*one) * math.hypot(*other)
    product = sum(a * b for a, b in zip(one, other, strict=True))
    return product / length if length else math.nan


def _shown(text: str) -> str:
    return repr(text if len(text) <= 200 else text[:200] + "…")
