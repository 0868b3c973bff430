"""How soon an answer goes on after its engine is lost, and what starting and stopping leaves.

python -m bench.recovery                     with the bundled model: about ten minutes on two cores
python -m bench.recovery --rounds 3 --cycles 20 --stalls 1
"""

import argparse
import asyncio
import json
import re
import secrets
import signal
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import psutil

import mlxd
from mlxd.bench import Measure, Target

from . import machine
from .bars import Bar, below, table
from .servers import MLXD, Running, running

PILOT = Path(mlxd.__file__).parent / "pilot"
RESULTS = Path(__file__).parent / "results"
CRASH = "engine killed → next token"
STALL = "engine stopped → found, in parts of its limit"
STALL_TOKEN = "engine stopped → next token"
ORPHAN = "gateway killed → its engine gone"
IDLE = "processor of the gateway without an engine"
GREW = "gateway's memory after all cycles, against the first ten"
DESCRIPTORS = "gateway's descriptors after all cycles, against the first ten"
# Of the answer, when its engine is lost.
TOKENS_BEFORE = 40
CODES = 50
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
TRIES = 20
WARM_UP_CYCLES = 10
IDLE_SECONDS = 30.0
POLL_S = 0.02


class Bench:
    def __init__(self, instance: Running, target: Target) -> None:
        self.instance = instance
        self.client = target.client
        self.gateway = psutil.Process(instance.process.pid)

    async def engine(self) -> dict[str, Any]:
        status = json.loads((await self.client.get("/status")).body)
        engine: dict[str, Any] = status["engines"]["pilot"]
        return engine

    async def until(self, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        while not true(found := await self.engine()):  # noqa: ASYNC110 - seen from outside only
            await asyncio.sleep(POLL_S)
        return found

    async def control(self, what: str) -> None:
        await self.client.post(f"/engines/pilot/{what}", b"")

    async def learn(self) -> None:
        """A prompt with a long answer, and that answer undisturbed."""
        for _ in range(TRIES):
            codes = " ".join(_code() for _ in range(CODES))
            self.prompt = f"Reply with exactly this and nothing else: {codes}"
            self.undisturbed, times = await self.stream(None)
            if len(times) > 3 * TOKENS_BEFORE:
                return
        raise RuntimeError("the model gives no long answer")

    async def lost(self, number: int) -> float:
        """Seconds from the signal to the stream's next token. The text has to be the undisturbed
        one."""
        while True:
            await self.until(lambda e: e["state"] == "ready")
            text, times = await self.stream(number)
            if text != self.undisturbed:
                raise RuntimeError(f"not the undisturbed text: {text!r}, not {self.undisturbed!r}")
            after = [(a, b) for a, b in pairwise(times) if b > self.hurt_at]
            if after:
                # What was still on its way comes at once; then nothing until the next engine.
                return max(b - max(a, self.hurt_at) for a, b in after)
            # The whole answer had been sent when this client, on a busy machine, saw its middle.

    async def stream(self, number: int | None) -> tuple[str, list[float]]:
        """The text, and when each token came. `number`: what its engine is sent in the middle."""
        times: list[float] = []
        self.hurt_at = 0.0
        pid = (await self.engine())["pid"]

        def watch(now: float, piece: bytes) -> None:
            times.extend([now] * piece.count(b'"content":"'))
            if number is not None and not self.hurt_at and len(times) >= TOKENS_BEFORE:
                psutil.Process(pid).send_signal(number)
                self.hurt_at = perf_counter()

        body = {
            "model": "pilot",
            "stream": True,
            "temperature": 0,
            "max_tokens": 2000,
            "messages": [{"role": "user", "content": self.prompt}],
        }
        reply = await self.client.post("/v1/chat/completions", json.dumps(body).encode(), watch)
        if reply.fault or reply.status != 200:
            raise RuntimeError(f"no whole stream: {reply.fault or reply.body[-300:]!r}")
        return _text(reply.body), times

    async def idle(self, seconds: float) -> float:
        """Percent of a core."""
        await self.control("stop")
        await self.until(lambda e: e["state"] == "stopped")
        await asyncio.sleep(2)
        before, began = self.gateway.cpu_times(), perf_counter()
        await asyncio.sleep(seconds)
        after = self.gateway.cpu_times()
        used = after.user + after.system - before.user - before.system
        return 100 * used / (perf_counter() - began)

    async def cycles(self, count: int) -> tuple[float, float]:
        """Growth in MB and in descriptors."""
        await self.cycle(WARM_UP_CYCLES)
        before = self.gateway.memory_info().rss, self.gateway.num_fds()
        await self.cycle(count)
        after = self.gateway.memory_info().rss, self.gateway.num_fds()
        return (after[0] - before[0]) / 1e6, after[1] - before[1]

    async def orphaned(self) -> float:
        """Seconds; the last that can be measured of this service."""
        await self.control("start")
        engine = psutil.Process((await self.until(lambda e: e["state"] == "ready"))["pid"])
        began = perf_counter()
        self.instance.process.kill()
        while _runs(engine):  # noqa: ASYNC110 - the same
            await asyncio.sleep(POLL_S / 10)
        return perf_counter() - began

    async def cycle(self, count: int) -> None:
        for _ in range(count):
            await self.control("start")
            await self.until(lambda e: e["state"] == "ready")
            await self.control("stop")
            await self.until(lambda e: e["state"] == "stopped")


def _runs(process: psutil.Process) -> bool:
    """One that only waits to be reaped does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _code() -> str:
    """Such as KQV-4937: what the bundled model repeats well."""
    letters = "".join(secrets.choice(LETTERS) for _ in range(3))
    return f"{letters}-{1000 + secrets.randbelow(9000)}"


def _text(body: bytes) -> str:
    made = ""
    for line in body.decode().splitlines():
        if line.startswith("data: {"):
            for choice in json.loads(line[6:])["choices"]:
                made += choice["delta"].get("content") or ""
    return made


async def measure(args: argparse.Namespace) -> list[Measure]:
    crash = Measure(CRASH, "s", "lower")
    found = Measure(STALL, "", "lower")
    stall = Measure(STALL_TOKEN, "s", "lower")
    async with running(MLXD, PILOT, "recovery") as (instance, target):
        bench = Bench(instance, target)
        await bench.learn()
        for number in range(args.rounds):
            pause = await bench.lost(signal.SIGKILL)
            crash.values.append(pause)
            print(f"killed, round {number + 1}: next token after {pause:.2f} s", flush=True)
        for _ in range(args.stalls):
            pause = await bench.lost(signal.SIGSTOP)
            stall.values.append(pause)
            engine = await bench.engine()
            cause = next(
                one["cause"] for one in engine["history"][::-1] if one["state"] == "stalled"
            )
            told = re.search(r"for ([\d.]+) s .*limit is ([\d.]+) s", cause)
            assert told is not None, cause
            found.values.append(float(told[1]) / float(told[2]))
            print(f"stopped: next token after {pause:.1f} s ({cause})", flush=True)
        idle = Measure(IDLE, "% of a core", "lower", [await bench.idle(args.idle)])
        print(f"idle: {idle.values[0]:.2f}% of a core", flush=True)
        grew, left = await bench.cycles(args.cycles)
        print(f"{args.cycles} cycles: {grew:+.1f} MB, {left:+.0f} descriptors", flush=True)
        orphan = Measure(ORPHAN, "s", "lower", [await bench.orphaned()])
        print(f"gateway killed: its engine was gone after {orphan.values[0]:.2f} s", flush=True)
    memory = Measure(GREW, "MB", "lower", [grew])
    descriptors = Measure(DESCRIPTORS, "", "lower", [left])
    return [crash, stall, found, idle, memory, descriptors, orphan]


def bars(found: list[Measure]) -> list[Bar]:
    of = {one.name: median(one.values) if one.values else None for one in found}
    return [
        below("killed engine to next token, median", 2.5, of[CRASH], "s"),
        below("a stalled engine is found within, times its limit", 2.0, of[STALL], "×"),
        below("idle gateway without an engine", 1.0, of[IDLE], "% of a core"),
        below("gateway's memory over the cycles", 5.0, of[GREW], "MB"),
        below("descriptors over the cycles", 1.0, of[DESCRIPTORS], ""),
        below("killed gateway to the end of its engine", 2.0, of[ORPHAN], "s"),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.recovery", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="engines that are killed")
    parser.add_argument("--stalls", type=int, default=2, help="engines that are stopped")
    parser.add_argument("--cycles", type=int, default=200, help="of starting and stopping")
    parser.add_argument("--idle", type=float, default=IDLE_SECONDS, help="seconds")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    used = machine.others()
    if used > machine.CALM_PERCENT:
        print(f"NOT CALM: others use {used:.0f}% of the machine", flush=True)
    found = asyncio.run(measure(args))
    made = {
        "machine": machine.describe(),
        "percent of the machine that others used before": used,
        "rounds": {"killed": args.rounds, "stopped": args.stalls, "cycles": args.cycles},
        "measures": [one.as_json() for one in found],
        "bars": [one.as_json() for one in bars(found)],
    }
    args.results.mkdir(parents=True, exist_ok=True)
    (args.results / "recovery.json").write_text(json.dumps(made, indent=1) + "\n")
    machine.console().print(table(bars(found), ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
