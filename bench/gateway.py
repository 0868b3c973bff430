"""The gateway's own cost: the tests' fake engine behind it, so that nothing else takes time.

What the fake engine and this client use is not counted: processor and memory are read of the
gateway's process alone. The time of a request is from outside and holds all three.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter

import msgspec
import psutil

from mlxd.bench import Answer, Measure, Target, Unusable, one_message, quantile

from .bars import Bar, below, find
from .servers import Running, Server, running

REQUEST = "one short request"
REQUEST_PROCESSOR = "processor for one short request"
STREAMED = "first token of a short stream"
RATE = "tokens streamed"
STREAMING = "processor while they stream"
MEMORY = "memory after 10,000 requests"

ALONE = Server(
    "gateway",
    (
        "{python}", "-m", "bench.gateway_alone",
        "--port", "{port}", "--model", "{model}", "--data-dir", "{scratch}",
    ),
)  # fmt: skip

WARM_UP = 300
REQUESTS = 10_000
# Before them, one after the other for the latency.
TIMED = 2_000
STREAMS, STEPS_A_SECOND, STREAM_SECONDS = 8, 250, 10


async def measure(say: Callable[[str], None], model: Path, *, quick: bool) -> list[Measure]:
    found = []
    async with running(ALONE, model, "gateway") as (instance, target):
        found += await _requests(instance, target, TIMED // 4 if quick else TIMED)
        found.append(await _memory(instance, target))
    paced = replace(ALONE, command=(*ALONE.command, "--rate", str(STEPS_A_SECOND)))
    async with running(paced, model, "gateway") as (instance, target):
        found += await _streams(instance, target, 3 if quick else STREAM_SECONDS)
    for one in found:
        value = "–" if one.median is None else f"{one.median:.2f}"
        say(f"gateway: {one.name}: {value} {one.unit}")
    return found


def _gateway(instance: Running) -> psutil.Process:
    return psutil.Process(instance.process.pid)


def _used(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def _short(target: Target) -> float:
    """Milliseconds for one request that is not streamed."""
    body = {"model": target.model, "messages": one_message("hi"), "max_tokens": 1}
    begun = perf_counter()
    reply = await target.client.post("/v1/chat/completions", msgspec.json.encode(body))
    if reply.status != 200 or reply.fault:
        raise Unusable(f"a short request failed: {reply.fault or reply.body[:200]!r}")
    return (perf_counter() - begun) * 1000


async def _requests(instance: Running, target: Target, count: int) -> list[Measure]:
    for _ in range(WARM_UP):
        await _short(target)
    process = _gateway(instance)
    before = _used(process)
    times = [await _short(target) for _ in range(count)]
    spent = (_used(process) - before) / count * 1000
    latency = Measure(REQUEST, "ms", "lower", [median(times)])
    latency.notes = {"95th percentile": quantile(times, 0.95), "fastest": min(times)}
    streams = [_whole(await target.ask(one_message("hi"), 1)) for _ in range(count // 4)]
    return [
        latency,
        Measure(REQUEST_PROCESSOR, "ms", "lower", [spent]),
        Measure(STREAMED, "ms", "lower", [median(a.first_token for a in streams) * 1000]),
    ]


def _whole(answer: Answer) -> Answer:
    if answer.fault:
        raise Unusable(f"a stream failed: {answer.fault}")
    return answer


async def _memory(instance: Running, target: Target) -> Measure:
    async def some(count: int) -> None:
        for _ in range(count):
            await _short(target)

    process = _gateway(instance)
    before = process.memory_info().rss
    await asyncio.gather(*(some(REQUESTS // STREAMS) for _ in range(STREAMS)))
    memory = Measure(MEMORY, "MB", "lower", [process.memory_info().rss / 1e6])
    memory.notes["MB before the last of them"] = before / 1e6
    return memory


async def _streams(instance: Running, target: Target, seconds: int) -> list[Measure]:
    tokens = STEPS_A_SECOND * seconds
    prompt = one_message(f"[[tokens {tokens + 1}]]")
    for _ in range(WARM_UP // 100):
        _whole(await target.ask(one_message("[[tokens 101]]"), 100))
    process = _gateway(instance)
    before, begun = _used(process), perf_counter()
    answers = await asyncio.gather(*(target.ask(prompt, tokens) for _ in range(STREAMS)))
    elapsed, spent = perf_counter() - begun, _used(process) - before
    rate = sum(_whole(a).tokens for a in answers) / elapsed
    share = Measure(STREAMING, "% of a core", "lower", [spent / elapsed * 100])
    share.notes["µs a token"] = spent / (rate * elapsed) * 1e6
    return [Measure(RATE, "tok/s", "higher", [rate]), share]


def bars(found: Sequence[Measure]) -> list[Bar]:
    def figure(name: str) -> float | None:
        measure = find(found, name)
        return measure.median if measure else None

    # The share is judged only if the asked rate was really reached.
    share = figure(STREAMING)
    if (figure(RATE) or 0) < 0.97 * STREAMS * STEPS_A_SECOND:
        share = None
    return [
        below("gateway: median time of a request", 1.5, figure(REQUEST), "ms"),
        below("gateway: processor at 2,000 streamed tokens a second", 20, share, "% of a core"),
        below("gateway: memory after 10,000 requests", 90, figure(MEMORY), "MB"),
    ]
