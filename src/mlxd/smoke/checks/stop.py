"""It ends where it is told to."""

from collections.abc import Awaitable, Callable

from ..answer import Answer
from ..check import STREAMS_BROKEN, USAGE_WRONG, Probe, Suite, echo
from ..faults import Fault, Skip

suite = Suite("stop", ("Stops where it is told", "按要求停止"))

COUNTING = "Count from 1 to 40, separated by commas."
FEW_TOKENS = 5
# A stop string somewhere in the middle of what the model says anyway.
CUT_CHARACTERS = 3
# Characters: of counting, where nothing else says how many tokens a text has.
LONGEST_TOKEN = 4
# Of an answer that is a code, and of one that counts.
CODE_TOKENS, COUNT_TOKENS = 32, 64


def _stream(probe: Probe) -> Callable[..., Awaitable[Answer]]:
    return probe.chat if STREAMS_BROKEN in probe.notes else probe.stream


async def _full(probe: Probe, asked: str, enough: int) -> tuple[int, str]:
    """The answer and the limit that it needs: more, where a model thinks first."""
    found = await probe.chat(asked, temperature=0, max_tokens=enough)
    if found.finish == "length" and not found.text.strip():
        enough = max(enough, probe.options.max_tokens)
        found = await probe.chat(asked, temperature=0, max_tokens=enough)
    return enough, found.said()


@suite.contract(
    "sequence",
    ("A stop sequence ends the answer before it", "停止序列在其之前结束回答"),
    ("the same answer up to the stop sequence", "停止序列之前的相同回答"),
)
async def sequence(probe: Probe) -> str:
    enough, full = await _full(probe, COUNTING, COUNT_TOKENS)
    middle = len(full) // 2
    cut = full[middle : middle + CUT_CHARACTERS]
    if len(full) < 2 * CUT_CHARACTERS or not cut.strip():
        raise Skip(f"the model's answer is too short to be cut: {full!r}")
    before = full[: full.index(cut)]
    probe.expect(before)
    # One of several, and alone: both are in the API. What comes first in the answer counts.
    later = full[-CUT_CHARACTERS:]
    behind = later.strip() and full.index(later) > full.index(cut)
    several, alone = [probe.nonces.code(), *([later] if behind else []), cut], cut
    for ask, stop in ((probe.chat, several), (_stream(probe), alone)):
        found = await ask(COUNTING, temperature=0, max_tokens=enough, stop=stop)
        if cut in found.text:
            raise Fault("wrong_answer", f"the answer goes on past stop={cut!r}", got=found.text)
        if found.text.rstrip() != before.rstrip():
            told = f"with stop={cut!r} the answer is not the beginning of the same answer"
            raise Fault("wrong_answer", told, got=found.text)
        if found.finish != "stop":
            raise Fault("wire_format", f"it stopped, but finish_reason is {found.finish!r}")
    return f"stopped before {cut!r}"


@suite.contract(
    "half",
    ("What only begins like a stop sequence stays", "仅与停止序列开头相同的文本予以保留"),
    ("the same answer as without it", "与不设停止序列时相同"),
)
async def half(probe: Probe) -> str:
    """A server keeps back what may become one, and has to send it at the end."""
    asked = echo(probe.nonces.code())
    enough, full = await _full(probe, asked, CODE_TOKENS)
    probe.expect(full)
    stop = full[-CUT_CHARACTERS:] + probe.nonces.word()
    for ask in (probe.chat, _stream(probe)):
        found = await ask(asked, temperature=0, max_tokens=enough, stop=[stop])
        if found.text != full:
            told = f"stop={stop!r} does not stand in it, and yet the answer differs"
            raise Fault("wrong_answer", told, got=found.text)
    return full.strip()


@suite.contract(
    "max-tokens",
    ("max_tokens ends the answer, and that is said", "max_tokens 截断并如实说明"),
    (f"{FEW_TOKENS} tokens, finish_reason length", f"{FEW_TOKENS} 个词元，finish_reason 为 length"),
)
async def max_tokens(probe: Probe) -> str:
    full = await probe.chat(COUNTING, temperature=0, max_tokens=COUNT_TOKENS)
    found = await probe.chat(COUNTING, temperature=0, max_tokens=FEW_TOKENS)
    streamed = await _stream(probe)(COUNTING, temperature=0, max_tokens=FEW_TOKENS)
    if streamed.deltas == FEW_TOKENS == (found.completion_tokens or 0) - 1 and (
        USAGE_WRONG not in probe.notes
    ):
        probe.notes[USAGE_WRONG] = 1
        told = f"usage: {found.completion_tokens} tokens, though {streamed.deltas} deltas came"
        raise Fault("wire_format", told)
    _cut_off(probe, found, full)
    _cut_off(probe, streamed, full)
    return f"{found.completion_tokens} tokens, {found.finish}"


@suite.contract(
    "max-completion-tokens",
    ("So does its newer name, max_completion_tokens", "新名称 max_completion_tokens 同样有效"),
    (f"{FEW_TOKENS} tokens, finish_reason length", f"{FEW_TOKENS} 个词元，finish_reason 为 length"),
)
async def max_completion_tokens(probe: Probe) -> str:
    full = await probe.chat(COUNTING, temperature=0, max_tokens=COUNT_TOKENS)
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
    """By its counts, unless those are known to be wrong; and by its text."""
    counted = USAGE_WRONG not in probe.notes
    count = found.completion_tokens if counted else None
    if count is not None and count > FEW_TOKENS:
        raise Fault("wrong_answer", f"{count} tokens, although {FEW_TOKENS} were allowed")
    if count is not None and count < FEW_TOKENS and found.finish == "length":
        told = f"cut off after {count} tokens, although {FEW_TOKENS} were allowed"
        raise Fault("wrong_answer", told, got=found.text)
    if counted and full.completion_tokens is not None and full.completion_tokens <= FEW_TOKENS:
        return
    # No token is that long, and none of a language is shorter than a letter.
    if not counted and len(full.text) <= FEW_TOKENS * LONGEST_TOKEN:
        return
    if len(found.text) >= len(full.text) and full.text:
        raise Fault("wrong_answer", "the answer is as long as without the limit", got=found.text)
    if found.finish != "length":
        raise Fault("wire_format", f"cut off by max_tokens, but finish_reason {found.finish!r}")
