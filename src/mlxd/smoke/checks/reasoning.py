"""Reasoning stays apart from the answer, and a budget that it used up is said to be so."""

from ..answer import Answer
from ..check import STREAMS_BROKEN, Probe, Suite, echo
from ..faults import Fault, Skip

suite = Suite("reasoning", ("Reasoning stays apart", "推理与回答分离"))

FEW_TOKENS = 6
# Characters of its beginning, to find it again.
SOME = 24


@suite.contract(
    "apart",
    ("Reasoning does not stand in the answer", "推理不出现在回答中"),
    ("reasoning in a field of its own, or none", "推理位于独立字段或没有推理"),
)
async def apart(probe: Probe) -> str:
    asked = f"Think it through first. {echo(probe.nonces.code())}"
    found = await probe.chat(asked)
    found.clean()
    if not found.reasoning:
        raise Skip("the model does not reason, or the server does not show it")
    if found.reasoning.strip() in found.text:
        raise Fault("markup_leaked", "the reasoning is repeated in the content", got=found.text)
    found.said()
    if STREAMS_BROKEN not in probe.notes:
        await _streamed(probe, asked, found)
    return f"{len(found.reasoning)} characters of reasoning"


async def _streamed(probe: Probe, asked: str, whole: Answer) -> None:
    found = await probe.stream(asked)
    found.clean()
    if any(one and one in found.text for one in (_beginning(whole), _beginning(found))):
        told = "the reasoning stands in the text of the stream"
        raise Fault("markup_leaked", told, got=found.text)
    if not found.reasoning:
        raise Fault("wire_format", "the stream has no reasoning, though the whole answer has")


def _beginning(answer: Answer) -> str:
    return answer.reasoning.strip()[:SOME]


@suite.contract(
    "budget",
    ("A cut-off answer says so", "被截断的回答如实说明"),
    ("finish_reason length, or a finished answer", "finish_reason 为 length 或已完成"),
)
async def budget(probe: Probe) -> str:
    asked = f"Think it through first. {echo(probe.nonces.code())}"
    found = await probe.chat(asked, max_tokens=FEW_TOKENS)
    if found.finish == "length":
        return "finish_reason length"
    if not found.text.strip() and not found.calls:
        raise found.empty()
    return f"finished: {found.text.strip()!r}"
