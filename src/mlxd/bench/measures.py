"""What is measured. Each takes a target and returns figures, faults included, never guesses."""

import asyncio
import contextlib
from collections.abc import Sequence
from itertools import pairwise
from statistics import mean, median
from time import perf_counter, process_time

from .answer import Answer, Chunk, read_chunk
from .sse import EventReader
from .statistics import Measure, at_the_median_moment, quantile
from .target import Target

# The length of a prompt that says little, the chat template's own tokens included.
SHORT_PROMPT_TOKENS = 24
# A prompt may miss its wanted length by this share before the round counts as a fault.
LENGTH_TOLERANCE = 0.03


def _length_fault(answer: Answer, wanted: int) -> str | None:
    got = answer.prompt_tokens
    if got is None or abs(got - wanted) > max(2, wanted * LENGTH_TOLERANCE):
        return f"the prompt had {got} tokens, wanted {wanted}"
    return None


async def _ask_long(
    target: Target, tokens: int, max_tokens: int, label: str
) -> tuple[list[dict[str, str]], Answer]:
    """A prompt of that length and its answer; asked once more, anew, where the length was off:
    the target has learnt from the first how its words weigh."""
    for attempt in range(2):
        prompt = await target.prompt(tokens, f"{label}, {attempt}")
        answer = await target.ask(prompt, max_tokens)
        off = None if answer.fault else _length_fault(answer, tokens)
        if not off:
            break
    answer.fault = answer.fault or off
    return prompt, answer


async def first_token(target: Target, *, tokens: int, rounds: int) -> list[Measure]:
    measure = Measure(f"first token, {tokens}-token prompt", "s", "lower")
    for turn in range(rounds):
        _, answer = await _ask_long(target, tokens, 2, f"first token {tokens}, {turn}")
        fault = answer.fault
        if not fault and answer.cached_tokens and answer.cached_tokens > 0.1 * tokens:
            fault = f"{answer.cached_tokens} prompt tokens came from a cache"
        _note(measure, answer.first_token if not fault else None, fault)
    return [measure]


async def short_request(target: Target, *, rounds: int) -> list[Measure]:
    measure = Measure("short request, one token", "s", "lower")
    for turn in range(rounds):
        answer = await target.ask(await target.prompt(SHORT_PROMPT_TOKENS, f"short, {turn}"), 1)
        _note(measure, answer.ended - answer.sent if not answer.fault else None, answer.fault)
    return [measure]


def _note(measure: Measure, value: float | None, fault: str | None) -> None:
    if fault:
        measure.faults.append(fault)
    elif value is not None:
        measure.values.append(value)


async def throughput(target: Target, *, clients: int, tokens: int, rounds: int) -> list[Measure]:
    """Tokens of all streams over the time from the first request to the last end.

    The steady rate beside it counts only while every stream is past its first token and none has
    ended. A round with one bad stream gives no figure.
    """
    of = "1 client" if clients == 1 else f"{clients} clients"
    total = Measure(f"throughput, {of}", "tok/s", "higher")
    steady = Measure(f"steady decode, {of}", "tok/s", "higher")
    gap = Measure(f"gap between tokens, {of}", "s", "lower")
    cost = Measure(f"the bench's own processor, {of}", "µs/token", "lower")
    total.notes["tokens"] = 0
    for turn in range(rounds):
        label = f"throughput {clients}, {turn}"
        busy, begun = process_time(), perf_counter()
        answers = await target.several(clients, SHORT_PROMPT_TOKENS, tokens, label)
        busy = process_time() - busy
        total.notes["tokens"] += sum(a.tokens for a in answers)
        faults = [a.fault for a in answers if a.fault]
        if faults:
            total.faults.append(f"{len(faults)} of {clients} streams: {faults[0]}")
            continue
        count = sum(a.tokens for a in answers)
        total.values.append(count / (max(a.ended for a in answers) - begun))
        _note(steady, _steady_rate(answers), None)
        _note(gap, median(g for a in answers for g in a.gaps) if tokens > 1 else None, None)
        cost.values.append(busy / count * 1e6)
        total.notes["counted by"] = answers[0].counted_by
    return [total, steady, gap, cost]


def _steady_rate(answers: Sequence[Answer]) -> float | None:
    start = max(a.arrivals[0] for a in answers)
    end = min(a.arrivals[-1] for a in answers)
    if end <= start:
        return None
    # An event may carry several tokens (a held-back character): weigh it by the stream's mean.
    inside = sum(
        sum(start < t <= end for t in a.arrivals) * a.tokens / len(a.arrivals) for a in answers
    )
    return inside / (end - start)


async def second_turn(
    target: Target, *, tokens: int, rounds: int, answer_tokens: int = 16
) -> list[Measure]:
    """First turn: a long new prompt. Second: the same chat with the answer and a short question."""
    first = Measure(f"first turn of a {tokens}-token chat", "s", "lower")
    second = Measure(f"second turn of a {tokens}-token chat", "s", "lower")
    sooner = Measure(f"second turn sooner, {tokens}-token chat", "×", "higher")
    cached = []
    for turn in range(rounds):
        label = f"chat {tokens}, {turn}"
        chat, one = await _ask_long(target, tokens, answer_tokens, label)
        if one.fault:
            first.faults.append(one.fault)
            continue
        question = await target.prompt(SHORT_PROMPT_TOKENS, f"question {tokens}, {turn}")
        chat = [*chat, {"role": "assistant", "content": one.text}, *question]
        two = await target.ask(chat, answer_tokens)
        first.values.append(one.first_token)
        if two.fault:
            second.faults.append(two.fault)
            continue
        second.values.append(two.first_token)
        sooner.values.append(one.first_token / two.first_token)
        cached.append(two.cached_tokens)
    second.notes["cached tokens"] = cached
    return [first, second, sooner]


class _Pulse:
    """Watches a stream while it runs, so that a scenario can wait for its n-th event."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self._reader = EventReader()
        self._moved = asyncio.Event()

    def __call__(self, time: float, piece: bytes) -> None:
        for event in self._reader.feed(piece):
            chunk = read_chunk(event) if event != b"[DONE]" else Chunk()
            if chunk.speaks():
                self.times.append(time)
                self._moved.set()

    async def reach(self, count: int) -> None:
        while len(self.times) < count:
            self._moved.clear()
            await self._moved.wait()


# Events of the running stream that show its normal pace before it is disturbed.
_QUIET_EVENTS = 48
# The short request comes this long after the long one: surely behind it, and surely before its
# end. It is an arrival time, not a wait for something to have happened.
_SHORT_COMES_AFTER = 0.3


async def interference(target: Target, *, tokens: int, rounds: int) -> list[Measure]:
    """A stream runs; a long prompt comes, then a short request."""
    quiet = Measure("gap between tokens, quiet", "s", "lower")
    during = Measure(f"gap between tokens, {tokens}-token prefill running", "s", "lower")
    slower = Measure(f"gap grows, {tokens}-token prefill running", "×", "lower")
    felt = Measure(f"gap at the median moment grows, {tokens}-token prefill running", "×", "lower")
    worst = Measure(f"longest gap, {tokens}-token prefill running", "s", "lower")
    short = Measure("first token of a short request behind it", "s", "lower")
    long = Measure(f"first token of the {tokens}-token prompt", "s", "lower")
    ahead = Measure("short request before the long one", "×", "higher")
    if not target.knows(tokens):
        await _ask_long(target, tokens, 1, "interference, length")
    for turn in range(rounds):
        got = await _disturb(target, tokens, f"interference, {turn}")
        if isinstance(got, str):
            slower.faults.append(got)
            continue
        calm, gaps, short_first, long_first, long_took = got
        for measure, value in (
            (quiet, calm),
            (during, median(gaps)),
            (slower, median(gaps) / calm),
            (felt, at_the_median_moment(gaps) / calm),
            (worst, max(gaps)),
            (short, short_first),
            (long, long_took),
            (ahead, long_first / short_first),
        ):
            measure.values.append(value)
        during.notes.setdefault("gaps", []).append(len(gaps))
        during.notes.setdefault("95th percentile", []).append(quantile(gaps, 0.95))
    return [quiet, during, slower, felt, worst, short, long, ahead]


async def _disturb(
    target: Target, tokens: int, label: str
) -> tuple[float, list[float], float, float, float] | str:
    """The quiet gap, the gaps under the prefill, and first tokens: of the short request, of the
    long one counted from when the short one was sent, and of the long one. A text is a fault."""
    pulse = _Pulse()
    background = await target.prompt(SHORT_PROMPT_TOKENS, f"{label}, running")
    long_prompt = await target.prompt(tokens, f"{label}, long")
    short_prompt = await target.prompt(SHORT_PROMPT_TOKENS, f"{label}, short")
    # Far more than it will get to say: it is cut off when the long prompt has its first token.
    running = asyncio.create_task(target.ask(background, 8192, pulse))
    try:
        reached = asyncio.create_task(pulse.reach(_QUIET_EVENTS))
        await asyncio.wait((running, reached), return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            reached.cancel()
            return f"the running stream ended early: {running.result().fault}"
        long_task = asyncio.create_task(target.ask(long_prompt, 2))
        await asyncio.sleep(_SHORT_COMES_AFTER)
        short = await target.ask(short_prompt, 2)
        long = await long_task
        if running.done():
            return f"the running stream ended early: {running.result().fault}"
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    fault = long.fault or short.fault or _length_fault(long, tokens)
    if fault:
        return fault
    still = _gaps_touching(pulse.times[:_QUIET_EVENTS], 0, float("inf"))
    # Where most events share a read with the one before, the mean shows the pace.
    calm = median(still) or mean(still)
    if not calm:
        return "the running stream came in one piece: it has no pace to compare with"
    gaps = _gaps_touching([*pulse.times, perf_counter()], long.sent, long.arrivals[0])
    return calm, gaps, short.first_token, long.arrivals[0] - short.sent, long.first_token


def _gaps_touching(times: Sequence[float], start: float, end: float) -> list[float]:
    """Every gap that lies at least partly inside the span, also one that swallows all of it."""
    return [b - a for a, b in pairwise(times) if b > start and a < end]
