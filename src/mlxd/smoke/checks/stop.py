"""It ends where it is told to."""

from ..check import Probe, Suite
from ..faults import Fault, Skip

suite = Suite("stop", ("Stops where it is told", "按要求停止"))

COUNTING = "Count from 1 to 40, separated by commas."
FEW_TOKENS = 5
# A stop string somewhere in the middle of what the model says anyway.
CUT_CHARACTERS = 3


@suite.contract(
    "sequence",
    ("A stop sequence ends the answer before it", "停止序列在其之前结束回答"),
    ("the same answer up to the stop sequence", "停止序列之前的相同回答"),
)
async def sequence(probe: Probe) -> str:
    full = (await probe.chat(COUNTING, temperature=0, max_tokens=64)).said()
    middle = len(full) // 2
    cut = full[middle : middle + CUT_CHARACTERS]
    if len(full) < 2 * CUT_CHARACTERS or not cut.strip():
        raise Skip(f"the model's answer is too short to be cut: {full!r}")
    before = full[: full.index(cut)]
    probe.expect(before)
    found = await probe.chat(COUNTING, temperature=0, max_tokens=64, stop=[cut])
    if cut in found.text:
        raise Fault("wrong_answer", f"the answer goes on past stop={cut!r}", got=found.text)
    if found.text.rstrip() != before.rstrip():
        told = f"with stop={cut!r} the answer is not the beginning of the same answer"
        raise Fault("wrong_answer", told, got=found.text)
    if found.finish != "stop":
        raise Fault("wire_format", f"it stopped, but finish_reason is {found.finish!r}")
    return f"stopped before {cut!r}"


@suite.contract(
    "max-tokens",
    ("max_tokens ends the answer, and that is said", "max_tokens 截断并如实说明"),
    (f"{FEW_TOKENS} tokens, finish_reason length", f"{FEW_TOKENS} 个词元，finish_reason 为 length"),
)
async def max_tokens(probe: Probe) -> str:
    full = await probe.chat(COUNTING, temperature=0, max_tokens=64)
    found = await probe.chat(COUNTING, temperature=0, max_tokens=FEW_TOKENS)
    count = found.completion_tokens
    if count is not None and count > FEW_TOKENS:
        raise Fault("wrong_answer", f"{count} tokens, although {FEW_TOKENS} were allowed")
    if full.completion_tokens is None or full.completion_tokens <= FEW_TOKENS:
        return f"the whole answer has {full.completion_tokens} tokens"
    if len(found.text) >= len(full.text) and full.text:
        raise Fault("wrong_answer", "the answer is as long as without the limit", got=found.text)
    if found.finish != "length":
        raise Fault("wire_format", f"cut off by max_tokens, but finish_reason {found.finish!r}")
    return f"{count} tokens, {found.finish}"
