"""It calls a tool, and goes on with what the tool answered."""

from typing import Any

from ..answer import Answer
from ..check import Probe, Suite, about_calls, containing, text_instead_of_call
from ..faults import Fault
from ..scenes import Scene, scene

suite = Suite("tool-loop", ("Calls a tool and uses its result", "调用工具并使用结果"))

# How no text at all is written where it became a string on its way.
NOTHING = ("None", "null", "undefined")


@suite.behaviour(
    "loop",
    ("Call the tool, then answer with its value", "调用工具，再用其值回答"),
    (
        "the right call with the right arguments, then the value",
        "正确的调用与参数，然后是该值",
    ),
    rounds=10,
    mark=1.0,
)
async def loop(probe: Probe) -> str:
    made = scene(probe.nonces, probe.number)
    probe.expect(f"{made.name}({made.arguments}) → {made.value}")
    messages: list[dict[str, Any]] = [{"role": "user", "content": made.request}]
    first = await probe.chat(messages, tools=[made.tool])
    only_call(first, made)
    messages += [
        first.message(),
        {"role": "tool", "tool_call_id": first.calls[0].id, "content": made.result},
    ]
    second = await probe.chat(messages, tools=[made.tool])
    if second.calls:
        raise Fault(
            "wrong_tool_call",
            "the tool's answer is there, and it calls a tool again",
            got=str(second.calls),
        )
    return f"{made.name} → {containing(second, made.value)}"


def only_call(answer: Answer, made: Scene) -> None:
    """The answer is the one call that the scene asks for."""
    if not answer.calls:
        raise text_instead_of_call(answer)
    answer.clean()
    if answer.text.strip() in NOTHING:
        told = f"the text beside the call is the word {answer.text.strip()}"
        raise Fault("wire_format", told, got=answer.text)
    if len(answer.calls) > 1:
        raise Fault("wrong_tool_call", "more than one call", got=str(answer.calls))
    call = answer.calls[0]
    if call.name != made.name:
        raise Fault(
            "wrong_tool_call", f"{call.name!r} was called, not {made.name!r}", got=call.name
        )
    if call.arguments != made.arguments:
        raise Fault(
            "wrong_tool_call", f"expected arguments {made.arguments}", got=call.raw_arguments
        )
    if not call.id:
        raise Fault("wire_format", "the tool call has no id, so its result can't be returned")
    about_calls(answer)
    if answer.finish != "tool_calls":
        raise Fault("wire_format", f"a tool call ends with finish_reason {answer.finish!r}")
