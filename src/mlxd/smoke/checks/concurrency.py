"""Many clients at once, each with its own answer."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

from ..answer import Answer
from ..check import Probe, Suite, echo
from ..faults import Fault, Skip
from ..pictures import COLOURS, shape
from .vision import about_colour

suite = Suite("concurrency", ("Many clients at once", "并发请求"))

CLIENTS = 6


async def _all(probe: Probe) -> tuple[list[str], list[Answer]]:
    codes = [probe.nonces.code() for _ in range(CLIENTS)]

    async def one(number: int) -> Answer:
        ask = probe.stream if number % 2 else probe.chat
        return await ask(echo(codes[number]))

    return codes, await _at_once(one(number) for number in range(CLIENTS))


async def _at_once(asked: Iterable[Coroutine[Any, Any, Answer]]) -> list[Answer]:
    """Where one fails, nobody goes on asking."""
    tasks = [asyncio.create_task(one) for one in asked]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@suite.contract(
    "apart",
    ("Nobody gets another's answer", "互不串扰"),
    (f"{CLIENTS} answers, none of another client", f"{CLIENTS} 个回答，互不混淆"),
    rounds=2,
)
async def apart(probe: Probe) -> str:
    codes, answers = await _all(probe)
    for own, answer in zip(codes, answers, strict=True):
        answer.said()
        for other in codes:
            if other != own and other in answer.text:
                told = f"the client that asked for {own} got another's answer"
                raise Fault("wrong_answer", told, got=answer.text)
    return f"{CLIENTS} answers, all apart"


@suite.behaviour(
    "right",
    ("Everybody's answer is right", "每个回答都正确"),
    (f"{CLIENTS} right answers", f"{CLIENTS} 个正确回答"),
    rounds=2,
    mark=0.5,
)
async def right(probe: Probe) -> str:
    codes, answers = await _all(probe)
    wrong = [
        (own, answer.text)
        for own, answer in zip(codes, answers, strict=True)
        if own != answer.said().strip()
    ]
    if wrong:
        told = f"{len(wrong)} of {CLIENTS} answers are wrong, such as the one to {wrong[0][0]}"
        raise Fault("wrong_answer", told, got=wrong[0][1])
    return f"{CLIENTS} right answers"


@suite.behaviour(
    "pictures",
    ("Nobody is told of another's picture", "图片互不串扰"),
    (f"{len(COLOURS)} clients, each with its own colour", f"{len(COLOURS)} 个客户端各得其颜色"),
    rounds=3,
    mark=0.3,
)
async def pictures(probe: Probe) -> str:
    if probe.can("vision") is False:
        raise Skip("the server says that this model does not see")
    colours = probe.nonces.sample(tuple(COLOURS), len(COLOURS))

    async def one(colour: str) -> Answer:
        return await probe.chat(about_colour(shape(colour, probe.nonces)), optional="pictures")

    answers = await _at_once(one(colour) for colour in colours)
    said = [answer.said().lower() for answer in answers]
    for own, text in zip(colours, said, strict=True):
        if [name for name in COLOURS if name in text] != [own]:
            told = f"of {len(colours)} clients at once, the one with the {own} shape was told this"
            raise Fault("wrong_answer", told, got=text)
    return ", ".join(colours)
