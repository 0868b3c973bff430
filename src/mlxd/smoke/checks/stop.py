"""It ends where it is told to."""

from collections.abc import Awaitable, Callable

from ..answer import Answer
from ..check import STREAMS_BROKEN, USAGE_WRONG, Probe, Suite
from ..faults import Fault, Skip

suite = Suite("stop", ("Stops where it is told", "按要求停止"))

COUNTING = "Count from 1 to 40, separated by commas."
FEW_TOKENS = 5
# A stop string somewhere in the middle of what the model says anyway.
CUT_CHARACTERS = 3


def _stream(probe: Probe) -> Callable[..., Awaitable[Answer]]:
    return probe.chat if STREAMS_BROKEN in probe.notes else probe.stream


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
    # One of several, and alone: both are in the API.
    several, alone = [probe.nonces.code(), cut], cut
    for ask, stop in ((probe.chat, several), (_stream(probe), alone)):
        found = await ask(COUNTING, temperature=0, max_tokens=64, stop=stop)
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
    _cut_off(probe, found, full)
    streamed = await _stream(probe)(COUNTING, temperature=0, max_tokens=FEW_TOKENS)
    _cut_off(probe, streamed, full)
    return f"{found.completion_tokens} tokens, {found.finish}"


@suite.contract(
    "max-completion-tokens",
    ("So does its newer name, max_completion_tokens", "新名称 max_completion_tokens 同样有效"),
    (f"{FEW_TOKENS} tokens, finish_reason length", f"{FEW_TOKENS} 个词元，finish_reason 为 length"),
)
async def max_completion_tokens(probe: Probe) -> str:
    full = await probe.chat(COUNTING, temperature=0, max_tokens=64)
    found = await probe.chat(
        COUNTING,
        optional="max_completion_tokens",
        temperature=0,
        max_tokens=None,
        max_completion_tokens=FEW_TOKENS,
    )
    _cut_off(probe, found, full)
    return f"{found.completion_tokens} tokens, {found.finish}"


def _cut_off(probe: Probe, found: Answer, full: Answer) -> None:
    if USAGE_WRONG in probe.notes:
        return
    count = found.completion_tokens
    if count is not None and count > FEW_TOKENS:
        raise Fault("wrong_answer", f"{count} tokens, although {FEW_TOKENS} were allowed")
    if count is not None and count < FEW_TOKENS and found.finish == "length":
        told = f"cut off after {count} tokens, although {FEW_TOKENS} were allowed"
        raise Fault("wrong_answer", told, got=found.text)
    if full.completion_tokens is None or full.completion_tokens <= FEW_TOKENS:
        return
    if len(found.text) >= len(full.text) and full.text:
        raise Fault("wrong_answer", "the answer is as long as without the limit", got=found.text)
    if found.finish != "length":
        raise Fault("wire_format", f"cut off by max_tokens, but finish_reason {found.finish!r}")
