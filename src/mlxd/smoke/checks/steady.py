"""As good at the end as at the beginning, and after a pause."""

import asyncio
import contextlib
import itertools
import math
from time import perf_counter

from ..answer import refuse_errors
from ..check import PACE, Probe, Suite, echo
from ..faults import Fault

suite = Suite("steady", ("Stays as it was", "持续稳定"))

# Long enough for a server that gives up something when nobody asks.
IDLE_S = 2.5
ANSWERS = 3
# A machine that does something else meanwhile may take this much longer, and for so long. A server
# that has slowed down never again gives a quick answer, however long one waits for it.
SLACK_FACTOR = 4.0
SLACK_S = 1.0
PATIENCE_S = 60.0
REQUESTS = 24
# One may be closed at the very moment at which a request is sent.
MOST_DROPS = 1


@suite.contract(
    "idle",
    ("The first request after a pause", "空闲之后的首个请求"),
    ("an answer, as before the pause", "与空闲前一样得到回答"),
)
async def idle(probe: Probe) -> str:
    (await probe.chat(echo(probe.nonces.code()))).said()
    # The pause is what is tested here.
    await asyncio.sleep(IDLE_S)
    return (await probe.chat(echo(probe.nonces.code()))).said().strip()


@suite.contract(
    "pace",
    ("Short answers take as long as at the beginning", "短回答耗时与开始时相同"),
    ("no slowdown in the course of the run", "运行过程中没有变慢"),
)
async def pace(probe: Probe) -> str:
    before = probe.notes.get(PACE)
    limit = SLACK_FACTOR * (before or 0) + SLACK_S
    now = math.inf
    until = perf_counter() + PATIENCE_S
    for number in itertools.count(1):
        # The quickest counts: a machine that is busy for a while is no slowdown of the server.
        began = perf_counter()
        await probe.chat(echo(probe.nonces.code()))
        now = min(now, perf_counter() - began)
        if number >= ANSWERS and (before is None or now <= limit or perf_counter() > until):
            break
    if before is None:
        return f"{now:.2f} s; nothing to compare with, since health.answer did not run"
    if now > limit:
        told = f"a short answer took {before:.2f} s at the beginning and {now:.2f} s at the end"
        raise Fault("timeout", told)
    return f"{before:.2f} s at the beginning, {now:.2f} s at the end"


@suite.contract(
    "connections",
    ("Connections stay open, or their end is announced", "连接保持打开，或声明关闭"),
    (f"{REQUESTS} requests, and none dropped in this run", f"{REQUESTS} 个请求，本次运行无断开"),
)
async def connections(probe: Probe) -> str:
    announced = 0
    async with contextlib.aclosing(probe.server.with_one_connection()) as alone:
        for _ in range(REQUESTS):
            reply = await probe.send("GET", "/v1/models", by=alone)
            refuse_errors(reply, "GET /v1/models")
            announced += not reply.kept
    if (lost := alone.connections - 1 - announced) > 0:
        told = f"{lost} of {REQUESTS} answers ended a connection without saying so"
        raise Fault("wire_format", told)
    if probe.server.drops > MOST_DROPS:
        told = f"{probe.server.drops} requests of this run met a connection that was dropped"
        raise Fault("wire_format", told)
    return f"{REQUESTS} requests, {alone.connections} connections"
