"""Who leaves in the middle does not keep the server busy."""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from time import perf_counter

from ..check import CHAT, Probe, Suite, echo
from ..faults import Fault

suite = Suite("cancel", ("Clients that leave", "客户端中途离开"))

LONG = "Count from 1 to 2000, separated by commas."
LONG_TOKENS = 4000
# How much longer than before a short answer may take right after the other client left: the
# server may have to finish a step, not an answer.
SLACK_FACTOR = 3.0
SLACK_S = 2.0
LEAVES_AFTER_S = 0.3
LEAVES_AFTER_BYTES = 500
# More than any server has slots, and some that are served meanwhile.
LEAVING, STAYING = 12, 4
# A machine that is busy at the wrong moment is not so every time.
TRIES = 3
_COUNTED = re.compile(r"\d+, ?\d+, ?\d+")

FREE = ("a short answer as quickly as before", "短回答与之前一样快")


async def _short(probe: Probe) -> tuple[float, str]:
    began = perf_counter()
    found = await probe.chat(echo(probe.nonces.code()), max_tokens=16)
    return perf_counter() - began, found.text


async def _free_again(probe: Probe, leave: Callable[[], Awaitable[None]]) -> str:
    told = ""
    for _ in range(TRIES):
        usual, _ = await _short(probe)
        await leave()
        took, text = await _short(probe)
        if _COUNTED.search(text):
            raise Fault("wrong_answer", "it has what another client had asked for", got=text)
        if took <= SLACK_FACTOR * usual + SLACK_S:
            return f"{took:.2f} s, {usual:.2f} s before"
        told = (
            f"a short answer took {took:.1f} s after another client had left, {usual:.1f} s before"
        )
    raise Fault("timeout", told)


@suite.contract("stream", ("A stream is left", "中断流式请求"), FREE)
async def stream(probe: Probe) -> str:
    body = probe.body(LONG, stream=True, max_tokens=LONG_TOKENS)

    async def leave() -> None:
        async with probe.server.open("POST", CHAT, body) as (reply, pieces):
            probe.exchanges.append(reply.exchange)
            async for _ in pieces:
                break

    return await _free_again(probe, leave)


@suite.contract("whole", ("A whole answer is not waited for", "中断非流式请求"), FREE)
async def whole(probe: Probe) -> str:
    body = probe.body(LONG, max_tokens=LONG_TOKENS)

    async def leave() -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(probe.send("POST", CHAT, body), LEAVES_AFTER_S)

    return await _free_again(probe, leave)


@suite.contract(
    "storm",
    ("Many clients leave; the others are served", "多数客户端中途离开，其余正常完成"),
    ("exactly one end for each stream that is read on", "每个未离开的流恰好结束一次"),
)
async def storm(probe: Probe) -> str:
    codes = [probe.nonces.code() for _ in range(STAYING)]

    async def leave(number: int) -> None:
        body = probe.body(LONG, stream=True, max_tokens=LONG_TOKENS)
        async with probe.server.open("POST", CHAT, body) as (_, pieces):
            read = 0
            async for piece in pieces:
                read += len(piece)
                if read > number % STAYING * LEAVES_AFTER_BYTES:
                    break

    async def stay(number: int) -> None:
        found = await probe.stream(echo(codes[number]))
        if ends := [text for text in found.complaints if "[DONE]" in text or "finish" in text]:
            raise Fault("wire_format", f"while others left: {'; '.join(ends)}", got=found.text)
        found.said()
        if other := [code for code in codes if code != codes[number] and code in found.text]:
            told = f"the client that asked for {codes[number]} got the answer to {other[0]}"
            raise Fault("wrong_answer", told, got=found.text)

    everybody = [*map(leave, range(LEAVING)), *map(stay, range(STAYING))]
    tasks = [asyncio.create_task(one) for one in everybody]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await _short(probe)
    return f"{LEAVING} left, {STAYING} answered"
