"""JSON by a schema that no server has seen before."""

import json
from typing import Any

from ..answer import Answer
from ..check import Probe, Suite
from ..faults import Fault, Skip

suite = Suite("structured", ("Structured output", "结构化输出"))

# An accent of its own and one as part of a letter, a ligature, wide and circled characters,
# quotation marks, two scripts, a character of four bytes, marks that turn the writing, one that
# joins, a space that does not break, what HTML, URLs and shells escape, and a line end of two
# characters: what tidying would change.
UNUSUAL = (
    "na\u00efve cafe\u0301 \ufb01 \uff21\u2460 \u201cx\u201d 日本語 😀 "
    '\u200f\u05d0\u200e \U0001f469\u200d\U0001f4bb x\u00a0y <b>&</b> %41+ C:\\new "$1" \t\r\n.'
)
# More than a hundred tokens wherever four letters are at most one; where each is, not a thousand.
LONG_CODES = 60
LONG_TOKENS = 1000


def _schema(probe: Probe) -> tuple[dict[str, Any], dict[str, Any], str]:
    """A strict schema, the object that is asked for, and the prompt. Nothing in it is unbounded, so
    even a model that babbles must come to an end."""
    nonces = probe.nonces
    codes = [nonces.code() for _ in range(3)]
    keys = [nonces.word() for _ in range(3)]
    wanted = {keys[0]: nonces.choice(codes), keys[1]: nonces.choice((True, False)), keys[2]: ""}
    counts = [nonces.number(10, 49), nonces.number(50, 99)]
    wanted[keys[2]] = nonces.choice(counts)
    properties: dict[str, Any] = {
        keys[0]: {"type": "string", "enum": codes},
        keys[1]: {"type": "boolean"},
        keys[2]: {"type": "integer", "enum": counts},
    }
    schema = _strict(properties)
    told = ", ".join(f"{key} is {json.dumps(wanted[key])}" for key in keys)
    return schema, wanted, f"Reply with a JSON object in which {told}."


async def _ask(probe: Probe, schema: dict[str, Any], asked: str, **more: Any) -> Answer:
    described = {"name": f"answer_{probe.nonces.word()}", "strict": True, "schema": schema}
    response_format = {"type": "json_schema", "json_schema": described}
    return await probe.either(
        asked, optional="response_format json_schema", response_format=response_format, **more
    )


def _object(answer: Answer) -> dict[str, Any]:
    text = answer.said()
    try:
        value = json.loads(text, object_pairs_hook=_once)
    except ValueError as error:
        cut = " (cut off at max_tokens)" if answer.finish == "length" else ""
        raise Fault("wrong_answer", f"not JSON{cut}: {error}", got=text) from None
    if not isinstance(value, dict):
        raise Fault("wrong_answer", "JSON, but no object", got=text)
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError(f"a key comes twice: {[key for key, _ in pairs]}")
    return made


@suite.contract(
    "schema",
    ("The answer obeys a fresh JSON schema", "回答符合全新的 JSON 模式"),
    ("an object that is valid against the schema", "对象通过模式校验"),
    rounds=3,
)
async def schema(probe: Probe) -> str:
    asked_schema, _, asked = _schema(probe)
    answer = await _ask(probe, asked_schema, asked)
    value = _object(answer)
    properties = asked_schema["properties"]
    if set(value) != set(properties):
        told = f"the keys are {sorted(value)}, not {sorted(properties)}"
        raise Fault("wrong_answer", told, got=answer.text)
    for key, rule in properties.items():
        kind = {"string": str, "boolean": bool, "integer": int}[rule["type"]]
        if type(value[key]) is not kind or value[key] not in rule.get("enum", [value[key]]):
            raise Fault("wrong_answer", f"{key} is not as the schema says", got=answer.text)
    return answer.text.strip()


@suite.behaviour(
    "value",
    ("The object has the values that were told", "对象的值与要求一致"),
    ("the three values of the prompt", "提示中的三个值"),
    rounds=3,
    mark=0.6,
)
async def value(probe: Probe) -> str:
    asked_schema, wanted, asked = _schema(probe)
    probe.expect(json.dumps(wanted))
    answer = await _ask(probe, asked_schema, asked)
    if _object(answer) != wanted:
        raise Fault("wrong_answer", "other values than the prompt told", got=answer.text)
    return answer.text.strip()


@suite.behaviour(
    "json-object",
    ("response_format json_object gives a JSON object", "json_object 模式返回 JSON 对象"),
    ("a JSON object with the fresh value", "含新值的 JSON 对象"),
    rounds=3,
    mark=0.6,
)
async def json_object(probe: Probe) -> str:
    key, code = probe.nonces.word(), probe.nonces.code()
    probe.expect(json.dumps({key: code}))
    answer = await probe.chat(
        f'Reply with a JSON object in which {key} is "{code}".',
        optional="response_format json_object",
        response_format={"type": "json_object"},
    )
    if _object(answer) != {key: code}:
        raise Fault("wrong_answer", "another object than was asked for", got=answer.text)
    return answer.text.strip()


@suite.contract(
    "verbatim",
    ("Characters of every kind come out as they were asked for", "各类字符原样输出"),
    ("the one string that the schema allows", "模式唯一允许的字符串"),
)
async def verbatim(probe: Probe) -> str:
    """The schema leaves no choice, so any difference is the server's."""
    key, text = probe.nonces.word(), probe.expect(f"{probe.nonces.code()} {UNUSUAL}")
    made = _strict({key: {"type": "string", "enum": [text]}})
    asked = f"Reply with a JSON object in which {key} is {json.dumps(text, ensure_ascii=False)}."
    answer = await _ask(probe, made, asked)
    if _object(answer) != {key: text}:
        raise Fault("wrong_answer", "characters were changed on their way", got=answer.text)
    return answer.text.strip()


@suite.contract(
    "nested",
    ("Schemas within schemas", "嵌套的模式"),
    ("an object that is valid at every depth", "每一层都通过模式校验"),
    rounds=2,
)
async def nested(probe: Probe) -> str:
    nonces = probe.nonces
    outer, code, list_ = (nonces.word() for _ in range(3))
    codes = [nonces.code() for _ in range(2)]
    counts = [nonces.number(10, 49), nonces.number(50, 99)]
    wanted = {outer: {code: nonces.choice(codes), list_: counts}}
    inner = {
        code: {"type": "string", "enum": codes},
        list_: {
            "type": "array",
            "items": {"type": "integer", "enum": counts},
            "minItems": 2,
            "maxItems": 2,
        },
    }
    asked = f"Reply with a JSON object in which {outer} is {json.dumps(wanted[outer])}."
    made = _strict({outer: _strict(inner)})
    if probe.number % 2:
        # As libraries write it that make schemas of classes.
        made = _strict({outer: {"$ref": "#/$defs/Inner"}}) | {"$defs": {"Inner": _strict(inner)}}
    answer = await _ask(probe, made, asked)
    found = _object(answer).get(outer)
    good = isinstance(found, dict) and set(found) == set(inner) and found[code] in codes
    listed = found[list_] if isinstance(found, dict) and good else None
    if not isinstance(listed, list) or len(listed) != 2 or not set(listed) <= set(counts):
        raise Fault("wrong_answer", "the object within is not as the schema says", got=answer.text)
    return answer.text.strip()


@suite.contract(
    "whole",
    ("A long answer comes to its end", "长回答完整结束"),
    (f"the one string of {LONG_CODES} codes that the schema allows", "模式唯一允许的长字符串"),
)
async def whole(probe: Probe) -> str:
    """Where there is no choice, no model can be the reason for an early end."""
    key, text = probe.nonces.word(), " ".join(probe.nonces.code() for _ in range(LONG_CODES))
    asked = f"Reply with a JSON object in which {key} is {json.dumps(text)}."
    answer = await _ask(
        probe, _strict({key: {"type": "string", "enum": [text]}}), asked, max_tokens=LONG_TOKENS
    )
    made, found = "".join(json.dumps({key: text}).split()), "".join(answer.text.split())
    if answer.finish == "stop" and len(found) < len(made) and made.startswith(found):
        told = f"it breaks off after {answer.completion_tokens} tokens, yet finish_reason is 'stop'"
        raise Fault("wire_format", told, got=answer.text)
    if answer.finish == "length":
        raise Skip(f"the answer needs more than {LONG_TOKENS} tokens")
    if _object(answer) != {key: text}:
        raise Fault("wrong_answer", "another string than the only one allowed", got=answer.text)
    return f"{answer.completion_tokens} tokens"


def _strict(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
