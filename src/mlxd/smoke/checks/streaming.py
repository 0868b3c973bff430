"""A stream says the same as a whole answer, in the form that clients fold together."""

from ..check import Probe, Suite, echo
from ..faults import Fault
from ..scenes import scene
from .tool_loop import only_call

suite = Suite("streaming", ("Streams", "流式输出"))


@suite.contract(
    "same",
    ("A stream says the same as a whole answer", "流式与非流式内容一致"),
    ("the same text and finish_reason at temperature 0", "温度为 0 时文本与 finish_reason 相同"),
    rounds=2,
)
async def same(probe: Probe) -> str:
    asked = echo(f"{probe.nonces.code()} {probe.nonces.word()} {probe.nonces.code()}")
    whole = await probe.chat(asked, temperature=0)
    whole.said()
    probe.expect(whole.text)
    streamed = await probe.stream(asked, temperature=0)
    streamed.clean()
    if streamed.text != whole.text:
        raise Fault(
            "wire_format",
            "the same request at temperature 0 has another text when it is streamed",
            got=streamed.text,
        )
    if streamed.finish != whole.finish:
        told = f"finish_reason is {whole.finish!r} whole, {streamed.finish!r} streamed"
        raise Fault("wire_format", told)
    return streamed.text


@suite.contract(
    "form",
    ("Chunks have the form of the API", "数据块格式正确"),
    ("one id, one finish_reason, [DONE] last", "唯一 id、唯一 finish_reason、以 [DONE] 结尾"),
)
async def form(probe: Probe) -> str:
    found = await probe.stream(echo(probe.nonces.code()))
    about_usage = [text for text in found.complaints if "usage" in text]
    if wrong := [text for text in found.complaints if text not in about_usage]:
        raise Fault("wire_format", "; ".join(wrong))
    if found.content is None and not found.calls:
        raise found.empty()
    return f"{found.deltas} deltas"


@suite.contract(
    "usage",
    ("Usage at the end of a stream", "流末尾的用量统计"),
    ("the same counts as of the whole answer", "与非流式的计数一致"),
)
async def usage(probe: Probe) -> str:
    asked = echo(probe.nonces.code())
    whole = await probe.chat(asked, temperature=0)
    streamed = await probe.stream(asked, temperature=0)
    if wrong := [text for text in streamed.complaints if "usage" in text]:
        raise Fault("wire_format", "; ".join(wrong))
    for name in ("prompt_tokens", "completion_tokens"):
        one, other = whole.usage.get(name), streamed.usage.get(name)
        if one != other and streamed.text == whole.text:
            raise Fault("wire_format", f"usage.{name} is {one} whole, {other} streamed")
    return f"{streamed.usage.get('completion_tokens')} tokens"


@suite.behaviour(
    "tools",
    ("A tool call in a stream", "流式工具调用"),
    ("deltas that add up to the right call", "增量可拼成正确的调用"),
    rounds=3,
    mark=0.6,
)
async def tools(probe: Probe) -> str:
    made = scene(probe.nonces, probe.number)
    probe.expect(f"{made.name}({made.arguments})")
    found = await probe.stream(made.request, tools=[made.tool])
    only_call(found, made)
    if wrong := [text for text in found.complaints if "tool call" in text]:
        raise Fault("wire_format", "; ".join(wrong))
    return found.calls[0].raw_arguments
