"""Two calls in one answer, or not more than one."""

from typing import Any

from ..check import Probe, Suite, text_instead_of_call
from ..faults import Fault
from ..scenes import tool

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
