"""JSON by a schema that no server has seen before."""

import json
from typing import Any

from ..answer import Answer
from ..check import Probe, Suite
from ..faults import Fault

suite = Suite("structured", ("Structured output", "结构化输出"))


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
    schema = {
        "type": "object",
        "properties": properties,
        "required": keys,
        "additionalProperties": False,
    }
    told = ", ".join(f"{key} is {json.dumps(wanted[key])}" for key in keys)
    return schema, wanted, f"Reply with a JSON object in which {told}."


async def _ask(probe: Probe, schema: dict[str, Any], asked: str) -> Answer:
    described = {"name": f"answer_{probe.nonces.word()}", "strict": True, "schema": schema}
    response_format = {"type": "json_schema", "json_schema": described}
    return await probe.chat(
        asked, optional="response_format json_schema", response_format=response_format
    )


def _object(answer: Answer) -> dict[str, Any]:
    text = answer.said()
    try:
        value = json.loads(text)
    except ValueError as error:
        cut = " (cut off at max_tokens)" if answer.finish == "length" else ""
        raise Fault("wrong_answer", f"not JSON{cut}: {error}", got=text) from None
    if not isinstance(value, dict):
        raise Fault("wrong_answer", "JSON, but no object", got=text)
    return value


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
