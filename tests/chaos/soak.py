"""A long run of everything that can go wrong at once, by a schedule that a seed brings back.

    python -m tests.chaos.soak --seconds 600 [--seed 7]

Invariants: every request has exactly one end; an answer is the one that an undisturbed engine
gives; an error has a cause that happened; no model has two processes; in the end nothing is held.
"""

import argparse
import asyncio
import contextlib
import json
import random
import re
import secrets
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from tests.processes import PATIENCE_S
from tests.supervisor.harness import fake, write_model

from mlxd.supervisor import ledger

from .outcome import Outcome, judge
from .raw import half_closed, slowly
from .schedule import CAPABILITY, MODELS, POISON, PROMPTS, SHAPES, Act, schedule
from .world import World, opened

KV = 1_000_000_000
EACH = ledger.PROCESS_BYTES + KV
# Of four models three fit, and two of them do not stay for long.
ROOM_FOR = 3
IDLE_S = {"c": 0.7, "d": 0.7}
SWITCHES = ("--start-seconds", "0.1", "--load-seconds", "0.2", "--rate", "60")
# No request may take longer: two stalls, a line of suspects and a slow machine between.
LONGEST_S = PATIENCE_S
# Of a gateway that has served thousands of requests, against the same gateway at its start.
GROWTH_BYTES = 40e6

# Why a request may be refused: what it is told, and what must have happened for that.
EXCUSES = {
    r"of memory\. The budget is": "",
    r"[Tt]he service is stopping": "gateway",
    # Not of a restart: what outlasts one goes on with the next engine.
    r": stop was asked for": "control",
    r"is assigned to .*; its requests took too long": "assign",
    r"\d engines died while they worked on this request": "deaths",
    r"The engine of . failed": "deaths",
}
# What was decided so long before a request came may still be coming about: a drain, a stall.
AFTERMATH_S = 10.0


@dataclass
class Asked:
    body: dict[str, Any]
    poison: bool
    began: float
    outcome: Outcome | None = None
    seconds: float = 0.0


@dataclass
class Soak:
    here: World
    config: Path
    known: dict[str, list[Any]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    happened: list[tuple[float, str, str]] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)

    # --- doing -------------------------------------------------------------------------------

    async def learn(self) -> None:
        """Every answer of an undisturbed service."""
        wanted = [body("a", prompt, shape) for prompt in PROMPTS for shape in SHAPES]
        deadly = [one for one in wanted if "die-once" in key(one)]
        answers = await asyncio.gather(
            *(self.here.chat(one) for one in wanted if one not in deadly)
        )
        # Each of these costs an engine: alone, it goes on with the next one.
        answers += [await self.here.chat(one) for one in deadly]
        wanted.sort(key=deadly.__contains__)
        for one, answer in zip(wanted, answers, strict=True):
            assert answer.kind == "answered", answer
            self.known[key(one)] = answer.said()

    async def play(self, acts: Iterable[Act]) -> None:
        began = time.monotonic()
        tasks: set[asyncio.Task[None]] = set()
        for act in acts:
            await asyncio.sleep(max(0.0, began + act.at - time.monotonic()))
            task = asyncio.create_task(getattr(self, f"do_{act.what}")(act))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)

    async def do_ask(self, act: Act) -> None:
        more = act.more
        asked = Asked(
            body(act.model, more["prompt"], more["shape"]),
            more["prompt"] in POISON,
            time.monotonic(),
        )
        manner = more["manner"]
        self.note(manner, "deaths" if asked.poison or "die" in more["prompt"] else "", act.model)
        if manner == "leaves":
            asking = asyncio.create_task(self.here.chat(asked.body))
            await asyncio.wait({asking}, timeout=more["after"])
            asking.cancel()
        elif manner == "closes half":
            await half_closed(self.here.port, asked.body)
        else:
            self.asked.append(asked)
            if manner == "reads slowly":
                reply = await slowly(self.here.port, asked.body, LONGEST_S)
                asked.outcome = judge(reply, bool(asked.body.get("stream")))
            else:
                reply = await self.here.send(asked.body)
                if reply.fault and reply.reused and not reply.status:
                    # Only here: on a connection of its own, no answer at all is a fault.
                    self.here.client.close()
                    reply = await self.here.send(asked.body)
                asked.outcome = judge(reply, bool(asked.body.get("stream")))
            asked.seconds = time.monotonic() - asked.began
            self.check(asked)

    async def do_signal(self, act: Act) -> None:
        engines = self.here.engines(act.model)
        for engine in engines:
            self.note(act.more["number"], "deaths", act.model)
            # It may have ended since it was looked for.
            with contextlib.suppress(psutil.NoSuchProcess):
                engine.send_signal(signal.Signals[act.more["number"]])

    async def do_control(self, act: Act) -> None:
        self.note(act.more["what"], "control", act.model)
        await self.here.client.post(f"/engines/{act.model}/{act.more['what']}", b"")

    async def do_assign(self, act: Act) -> None:
        self.note("assignment", "assign")
        wanted = json.dumps({"model_id": act.model or None}).encode()
        await self.here.client.post(f"/models/global_capability/{CAPABILITY}", wanted)

    async def do_reload(self, act: Act) -> None:
        self.note("reload", "reload")
        write_config(self.config, rows=act.more["rows"])
        if act.more["by"] == "HTTP":
            await self.here.client.post("/admin/reload", b"")
        elif self.here.process is not None and not self.changing.locked():
            # Python itself, before any line of ours, would be ended by it.
            self.here.process.send_signal(signal.SIGHUP)

    async def do_gateway(self, act: Act) -> None:
        async with self.changing:
            number = signal.Signals[act.more["by"]]
            self.note(f"gateway {number.name}", "gateway")
            if number == signal.SIGKILL:
                self.note("gateway killed", "SIGKILL")
            code = await self.here.end(number)
            if code != (-number if number == signal.SIGKILL else 0):
                self.faults.append(f"the gateway ended with {code} after {act.more['by']}")
            await self.here.start()
            self.note("gateway started", "gateway")

    def note(self, what: str, kind: str, model: str = "") -> None:
        """`kind` is an excuse for errors of this model; without one, of all models."""
        self.happened.append((time.monotonic(), kind, model))
        self.done[what] += 1

    # --- judging -----------------------------------------------------------------------------

    def check(self, asked: Asked) -> None:
        outcome = asked.outcome
        assert outcome is not None
        self.done[outcome.kind] += 1
        model = asked.body["model"]
        told = f"{model} {key(asked.body)} after {asked.seconds:.1f} s: {outcome}"
        since = {
            kind
            for at, kind, whose in self.happened
            if at > asked.began - AFTERMATH_S and whose in ("", model)
        }
        if self.changing.locked():
            since.add("gateway")
        if asked.seconds > LONGEST_S:
            self.faults.append(f"no end: {told}")
        elif outcome.kind == "broken":
            # Told to end, it takes nothing new, but finishes or refuses what it has taken.
            if "gateway" not in since or (outcome.status and "SIGKILL" not in since):
                self.faults.append(f"broken: {told}")
        elif outcome.kind == "refused":
            if not asked.poison and not self.excused(outcome.told, since):
                self.faults.append(f"refused without a cause: {told}")
        elif asked.poison:
            self.faults.append(f"answered: {told}")
        elif outcome.said() != self.known[key(asked.body)]:
            self.faults.append(f"not what it should be: {told}")

    def excused(self, told: str, since: set[str]) -> bool:
        for pattern, needed in EXCUSES.items():
            if re.search(pattern, told):
                self.refusals[told] += 1
                return not needed or needed in since
        return False

    async def settled(self) -> None:
        """Nothing runs, nothing waits, and the gateway holds what it held at its start."""
        async with asyncio.timeout(LONGEST_S):
            while not await self.idle():  # noqa: ASYNC110 - seen from outside only
                await asyncio.sleep(0.05)

    async def idle(self) -> bool:
        engines = json.loads((await self.here.client.get("/status")).body)["engines"].values()
        return all(
            not e["running"]
            and not e["waiting"]
            and e["state"] in ("ready", "stopped", "failed")
            and not (e["state"] == "ready" and e["progress"]["running"])
            for e in engines
        )

    async def held(self) -> int:
        """Descriptors of the gateway beyond one for each engine that runs."""
        assert self.here.process is not None
        self.here.client.close()
        await asyncio.sleep(0.2)
        gateway = psutil.Process(self.here.process.pid)
        return int(gateway.num_fds()) - len(self.here.engines())


def body(model: str, prompt: str, shape: dict[str, Any]) -> dict[str, Any]:
    more = {"stream_options": {"include_usage": True}} if shape.get("stream") else {}
    return {"model": model, "messages": [{"role": "user", "content": prompt}], **shape, **more}


def key(asked: dict[str, Any]) -> str:
    return json.dumps({name: value for name, value in asked.items() if name != "model"})


def write_config(path: Path, rows: int) -> None:
    lines = [f"[engine]\nmax_batch = {rows}\n"]
    for name in MODELS:
        lines.append(f'[[models]]\nname = "{path.parent / name}"\n')
        if name in IDLE_S:
            lines.append(f"idle_timeout = {IDLE_S[name]}\n")
    path.write_text("".join(lines))


async def soak(folder: Path, seed: int, seconds: float) -> Soak:
    config = folder / "mlxd.toml"
    for name in MODELS:
        write_model(folder / name)
    write_config(config, rows=6)
    command = [sys.executable, "-m", "tests.chaos.gateway", json.dumps(fake(*SWITCHES)), "serve"]
    limits = {
        "MLXD_CONFIG": str(config),
        "MLXD_ENGINE_KV_BUDGET": str(KV),
        "MLXD_ENGINE_MEMORY_BUDGET": str(ROOM_FOR * EACH + EACH // 2),
        "MLXD_SERVER_KEEP_ALIVE": "0.5",
        # Some answers take longer.
        "MLXD_SERVER_DRAIN_TIMEOUT": "0.8",
        # What the connections of a machine may be reordered by; the schedule stays the same.
        "PYTHONHASHSEED": str(random.Random(seed).randrange(2**32)),
    }
    async with opened(World(folder, command, [], limits)) as here:
        run = Soak(here, config)
        await here.until("a", lambda e: e["state"] == "ready")
        await run.learn()
        await run.settled()
        before = await run.held()
        await run.play(schedule(seed, seconds))
        await run.settled()
        async with asyncio.timeout(LONGEST_S):
            # What clients left open is seen to be closed a moment later.
            while (after := await run.held()) > before:
                print(f"descriptors: {before} before, {after} now", flush=True)
        assert here.process is not None
    return run


def report(run: Soak, seed: int, seconds: float) -> str:
    counts = ", ".join(f"{count} {what}" for what, count in sorted(run.done.items()))
    longest = max((asked.seconds for asked in run.asked), default=0.0)
    head = f"soak: seed {seed}, {seconds:g} s: {counts}; the longest request took {longest:.1f} s"
    again = f"again: python -m tests.chaos.soak --seed {seed} --seconds {seconds:g}"
    refusals = [f"{count} × {told[:200]}" for told, count in run.refusals.most_common()]
    return "\n".join([head, *refusals, *run.faults, *([again] if run.faults else [])])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.soak", description=__doc__)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--seconds", type=float, default=60.0)
    args = parser.parse_args()
    seed = secrets.randbelow(10**6) if args.seed is None else args.seed
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        run = asyncio.run(soak(Path(folder), seed, args.seconds))
        print(report(run, seed, args.seconds))
        if run.faults:
            print((Path(folder) / "gateway.log").read_text()[-20_000:])
    raise SystemExit(bool(run.faults))


if __name__ == "__main__":
    main()
