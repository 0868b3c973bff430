"""It does as it is told, word for word."""

from ..check import Probe, Suite, echo, exactly

suite = Suite("basic", ("Says exactly what is asked", "按要求原样回答"))


@suite.behaviour(
    "ok",
    ("Reply only OK", "英文：只回复 OK"),
    ("OK", "OK"),
    rounds=5,
    mark=1.0,
)
async def ok(probe: Probe) -> str:
    return exactly(await probe.chat("Reply only OK"), probe.expect("OK"))


@suite.behaviour(
    "ok-zh",
    ("只输出 OK", "中文：只输出 OK"),
    ("OK", "OK"),
    rounds=5,
    mark=1.0,
)
async def ok_zh(probe: Probe) -> str:
    return exactly(await probe.chat("只输出 OK"), probe.expect("OK"))


@suite.behaviour(
    "nonce",
    ("Reply with a fresh code", "原样回复一个新代码"),
    ("the code, nothing else", "仅该代码"),
    rounds=5,
    mark=1.0,
)
async def nonce(probe: Probe) -> str:
    code = probe.expect(probe.nonces.code())
    return exactly(await probe.chat(echo(code)), code)
