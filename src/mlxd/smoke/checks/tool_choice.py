"""tool_choice decides whether and which tool is called."""

from typing import Any

from ..answer import Answer, Call
from ..check import Probe, Suite, text_instead_of_call
from ..faults import Fault
from ..scenes import scene, tool

suite = Suite("tool-choice", ("tool_choice is obeyed", "遵守 tool_choice"))


@suite.contract(
    "none",
    ("tool_choice none: no call", "tool_choice 为 none 时不调用"),
    ("no tool call", "没有工具调用"),
)
async def none(probe: Probe) -> str:
    made = scene(probe.nonces, probe.number)
    found = await probe.chat(
        made.request, optional="tool_choice none", tools=[made.tool], tool_choice="none"
    )
    if found.calls:
        told = "a tool was called although tool_choice is none"
        raise Fault("wrong_tool_call", told, got=found.calls[0].name)
    return found.text.strip()


@suite.contract(
    "required",
    ("tool_choice required: a call in any case", "tool_choice 为 required 时必须调用"),
    ("one of the tools, with its arguments", "调用某个工具且参数完整"),
)
async def required(probe: Probe) -> str:
    first, second = scene(probe.nonces, 1), scene(probe.nonces, 2)
    found = await probe.chat(
        "Hello, how are you?",
        optional="tool_choice required",
        tools=[first.tool, second.tool],
        tool_choice="required",
    )
    return _called(found, {first.name: first.tool, second.name: second.tool})


@suite.contract(
    "named",
    ("tool_choice with a name: that tool", "指定名称时调用该工具"),
    ("the named tool, with its arguments", "调用指定的工具"),
)
async def named(probe: Probe) -> str:
    first, second = scene(probe.nonces, 1), scene(probe.nonces, 2)
    probe.expect(second.name)
    found = await probe.chat(
        first.request,
        optional="tool_choice with a name",
        tools=[first.tool, second.tool],
        tool_choice={"type": "function", "function": {"name": second.name}},
    )
    return _called(found, {second.name: second.tool})


TYPES = {"minutes": {"type": "integer"}, "loud": {"type": "boolean"}}
KINDS = {"minutes": int, "loud": bool}


@suite.contract(
    "types",
    ("Arguments have the types of the tool", "参数类型符合工具定义"),
    ("a whole number and a boolean", "一个整数和一个布尔值"),
)
async def types(probe: Probe) -> str:
    made = tool("set_timer", "Set a timer.", {})
    made["function"]["parameters"] |= {"properties": TYPES, "required": list(TYPES)}
    made["function"]["strict"] = True
    asked = f"Set a loud timer of {probe.nonces.number(2, 59)} minutes."
    call = await _forced(probe, made, asked)
    wrong = {name for name, kind in KINDS.items() if type(call.arguments[name]) is not kind}
    if wrong:
        told = f"of another type than the tool says: {', '.join(sorted(wrong))}"
        raise Fault("wrong_tool_call", told, got=call.raw_arguments)
    return call.raw_arguments


@suite.contract(
    "no-arguments",
    ("A tool without arguments", "没有参数的工具"),
    ("an empty object", "空对象"),
)
async def no_arguments(probe: Probe) -> str:
    made = tool("ring_bell", "Ring the bell.", {})
    return (await _forced(probe, made, "Ring the bell.")).raw_arguments


async def _forced(probe: Probe, made: dict[str, Any], asked: str) -> Call:
    name = probe.expect(made["function"]["name"])
    found = await probe.chat(
        asked,
        optional="tool_choice with a name",
        tools=[made],
        tool_choice={"type": "function", "function": {"name": name}},
    )
    _called(found, {name: made})
    return found.calls[0]


def _called(answer: Answer, tools: dict[str, dict[str, Any]]) -> str:
    if not answer.calls:
        raise text_instead_of_call(answer)
    for call in answer.calls:
        if call.name not in tools:
            told = f"{call.name!r} was called, not {' or '.join(tools)}"
            raise Fault("wrong_tool_call", told, got=call.name)
        needed = set(tools[call.name]["function"]["parameters"]["required"])
        if set(call.arguments) != needed:
            told = f"{call.name} needs {sorted(needed)}"
            raise Fault("wrong_tool_call", told, got=call.raw_arguments)
    return ", ".join(f"{call.name}({call.raw_arguments})" for call in answer.calls)
