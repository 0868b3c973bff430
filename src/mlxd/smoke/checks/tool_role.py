"""It reads what a tool answered."""

import json
from typing import Any

from ..check import Probe, Suite, containing, exactly
from ..scenes import scene

suite = Suite("tool-role", ("Reads a tool's result", "读取工具结果"))


@suite.behaviour(
    "value",
    ("Answer with only the value from the tool message", "只回答工具消息中的值"),
    ("the fresh value of the tool message, nothing else", "仅工具消息中的新值"),
    rounds=10,
    mark=1.0,
)
async def value(probe: Probe) -> str:
    made = scene(probe.nonces, probe.number)
    call = made.call(f"call_{probe.nonces.word()}")
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": made.request},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "name": made.name, "content": made.result},
    ]
    answer = await probe.chat(messages, tools=[made.tool])
    return exactly(answer, probe.expect(made.value))


@suite.behaviour(
    "number",
    ("A value that is a number", "数值类型的结果"),
    ("the fresh number of the tool message", "工具消息中的新数值"),
    rounds=3,
    mark=0.6,
)
async def number(probe: Probe) -> str:
    made = scene(probe.nonces, probe.number)
    call = made.call(f"call_{probe.nonces.word()}")
    value = probe.nonces.number()
    result = json.dumps(dict.fromkeys(json.loads(made.result), value))
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": made.request},
        # Beside calls, content may be left out altogether.
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": result},
    ]
    return containing(await probe.chat(messages, tools=[made.tool]), probe.expect(str(value)))


@suite.behaviour(
    "parts",
    ("A result in parts", "由多个部分组成的结果"),
    ("the fresh value of the tool message", "工具消息中的新值"),
    rounds=2,
    mark=0.5,
)
async def parts(probe: Probe) -> str:
    made = scene(probe.nonces, probe.number)
    call = made.call(f"call_{probe.nonces.word()}")
    content = [{"type": "text", "text": made.result}]
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": made.request},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": content},
    ]
    answer = await probe.chat(messages, tools=[made.tool], optional="a tool's result in parts")
    return containing(answer, probe.expect(made.value))
