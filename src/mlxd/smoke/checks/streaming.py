"""A stream says the same as a whole answer, in the form that clients fold together."""

import math
from time import perf_counter

from ..check import CHAT, STREAMS_BROKEN, Probe, Suite, echo
from ..faults import Fault
from ..scenes import scene
from ..stream import read_stream
from .tool_loop import only_call

suite = Suite("streaming", ("Streams", "流式输出"))

LONG = "Count from 1 to 40, separated by commas."
LONG_TOKENS = 64
# What is over sooner, or has fewer tokens, came too quickly to say how.
LEAST_S = 0.25
LEAST_TOKENS = 20
# Of the time of a whole stream: later than this, its first word was held back.
LATEST_FIRST = 0.9
TRIES = 3
# A whole answer takes so many times as long as one token of it, or its tokens say nothing.
MUCH_LONGER = 3.0


@suite.contract(
    "same",
    ("A stream says the same as a whole answer", "流式与非流式内容一致"),
    ("the same text and finish_reason at temperature 0", "温度为 0 时文本与 finish_reason 相同"),
    rounds=2,
)
async def same(probe: Probe) -> str:
    try:
        return await _same(probe)
    except Fault:
        probe.notes[STREAMS_BROKEN] = 1
        raise


async def _same(probe: Probe) -> str:
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
    wrong = [text for text in found.complaints if text not in about_usage]
    if wrong := wrong + probe.not_its_model(found):
        raise Fault("wire_format", "; ".join(wrong))
    if found.content is None and not found.calls:
        raise found.empty()
    return f"{found.deltas} deltas"


@suite.contract(
    "plain",
    ("A stream without stream_options", "不带 stream_options 的流"),
    ("choices in every chunk, [DONE] last", "每个数据块都有 choices，以 [DONE] 结尾"),
)
async def plain(probe: Probe) -> str:
    """Older clients know of no chunk that has no choices."""
    body = probe.body(echo(probe.nonces.code()), stream=True)
    found = read_stream(await probe.send("POST", CHAT, body))
    if wrong := [text for text in found.complaints if "usage" not in text]:
        raise Fault("wire_format", "; ".join(wrong))
    if found.without_choices:
        told = "a chunk without choices, though nobody asked for usage"
        raise Fault("wire_format", told)
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
    if found.complaints:
        raise Fault("wire_format", "; ".join(found.complaints))
    return found.calls[0].raw_arguments


@suite.contract(
    "live",
    ("Words come as they are made", "边生成边输出"),
    ("the first word long before the last", "首个词元远早于最后一个"),
)
async def live(probe: Probe) -> str:
    share, alone = 1.0, math.inf
    for _ in range(TRIES):
        began = perf_counter()
        await probe.chat(LONG, temperature=0, max_tokens=1)
        alone = min(alone, perf_counter() - began)
        found = await probe.stream(LONG, temperature=0, max_tokens=LONG_TOKENS)
        took = probe.exchanges[-1].seconds
        if took < LEAST_S or (found.completion_tokens or 0) < LEAST_TOKENS:
            return f"{took:.2f} s for all of it, too quick to tell"
        share = min(share, (found.first_token_s or took) / took)
        if share < LATEST_FIRST:
            return f"the first word after {share:.0%} of the time"
    # Who waits in a queue, or reads the prompt for long, is late with its first word anyway.
    if alone * MUCH_LONGER > took:
        return f"{alone:.2f} s for one token, {took:.2f} s for all of it"
    told = f"the stream is held back: its first word came after {share:.0%} of its time"
    raise Fault("wire_format", told)
