"""Two calls in one answer, or not more than one."""

import json
from typing import Any

from ..check import Probe, Suite, text_instead_of_call
from ..faults import Fault, Skip
from ..scenes import scene, tool

suite = Suite("parallel-tools", ("Parallel tool calls", "并行工具调用"))

TOOL = tool("get_serial_number", "Get the serial number of an item.", {"item": "The item"})


def _asked(one: str, other: str) -> str:
    return f"Get the serial number of the {one}. Also, get the serial number of the {other}."


@suite.behaviour(
    "two",
    ("Two things asked, two calls", "两个问题对应两次调用"),
    ("two calls with ids of their own", "两次调用，id 各不相同"),
    rounds=3,
    mark=0.6,
)
async def two(probe: Probe) -> str:
    items = ["lamp", "chair", "kettle", "violin", "anchor"]
    one, other = probe.nonces.sample(items, 2)
    wanted: list[dict[str, Any]] = [{"item": one}, {"item": other}]
    probe.expect(str(wanted))
    found = await probe.chat(_asked(one, other), tools=[TOOL])
    if not found.calls:
        raise text_instead_of_call(found)
    got = [call.arguments for call in found.calls]
    if sorted(map(str, got)) != sorted(map(str, wanted)):
        raise Fault("wrong_tool_call", f"expected two calls: {wanted}", got=str(got))
    if any(call.name != "get_serial_number" for call in found.calls):
        raise Fault("wrong_tool_call", "another tool was called", got=str(found.calls))
    if len({call.id for call in found.calls}) < len(found.calls):
        raise Fault("wire_format", "two calls share an id", got=str(found.calls))
    return str(got)


@suite.contract(
    "one",
    ("parallel_tool_calls false: not more than one", "禁止并行时至多一次调用"),
    ("at most one call", "至多一次调用"),
)
async def one(probe: Probe) -> str:
    first, second = probe.nonces.sample(("lamp", "chair", "kettle"), 2)
    found = await probe.chat(
        _asked(first, second),
        optional="parallel_tool_calls",
        tools=[TOOL],
        parallel_tool_calls=False,
    )
    if len(found.calls) > 1:
        told = f"{len(found.calls)} calls although parallel_tool_calls is false"
        raise Fault("wrong_tool_call", told, got=str(found.calls))
    return f"{len(found.calls)} calls"


@suite.behaviour(
    "results",
    ("Each result belongs to its call", "每个结果对应其调用"),
    ("both fresh values, in the order of the calls", "两个新值，按调用顺序"),
    rounds=3,
    mark=0.6,
)
async def results(probe: Probe) -> str:
    items = probe.nonces.sample(("lamp", "chair", "kettle"), 2)
    codes = [probe.nonces.code() for _ in items]
    ids = [f"call_{probe.nonces.word()}" for _ in items]
    calls = [
        {"id": id_, "type": "function",
         "function": {"name": TOOL["function"]["name"], "arguments": json.dumps({"item": item})}}
        for id_, item in zip(ids, items, strict=True)
    ]  # fmt: skip
    told = [
        {"role": "tool", "tool_call_id": id_, "content": json.dumps({"serial_number": code})}
        for id_, code in zip(ids, codes, strict=True)
    ]
    probe.expect(", ".join(codes))
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": _asked(*items)},
        {"role": "assistant", "content": None, "tool_calls": calls},
        *told,
    ]
    said = (await probe.chat(messages, tools=[TOOL])).said()
    places = [said.find(code) for code in codes]
    if -1 in places or places != sorted(places):
        raise Fault("wrong_answer", "not both results stand in the answer, in order", got=said)
    return said.strip()


@suite.contract(
    "ids",
    ("Calls of one conversation have ids of their own", "同一对话中各次调用的 id 不同"),
    ("another id for the second call", "第二次调用的 id 不同"),
)
async def ids(probe: Probe) -> str:
    first, second = scene(probe.nonces, 1), scene(probe.nonces, 2)
    tools = [first.tool, second.tool]
    messages: list[dict[str, Any]] = [{"role": "user", "content": first.request}]
    one = await probe.chat(messages, tools=tools)
    if not one.calls:
        raise Skip("there are no two calls to compare")
    messages += [
        one.message(),
        *({"role": "tool", "tool_call_id": call.id, "content": first.result} for call in one.calls),
        {"role": "assistant", "content": first.value},
        {"role": "user", "content": second.request},
    ]
    other = await probe.chat(messages, tools=tools)
    if not other.calls:
        raise Skip("there are no two calls to compare")
    if {call.id for call in one.calls} & {call.id for call in other.calls}:
        told = "two calls of one conversation have the same id, so results can't be told apart"
        raise Fault("wire_format", told, got=other.calls[0].id)
    return f"{one.calls[0].id}, {other.calls[0].id}"
