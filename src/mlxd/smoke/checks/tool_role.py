"""It reads what a tool answered."""

from typing import Any

from ..check import Probe, Suite, exactly
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
