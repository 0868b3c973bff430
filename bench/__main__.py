"""mlxd beside other servers, one after the other on this machine, in one run.

python -m bench                       everything: about half an hour on two cores
python -m bench --quick               one round of everything, shorter streams
python -m bench --servers mlxd --scenarios first-token,throughput
"""

import argparse
import asyncio
import json
import secrets
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console

from mlxd.bench import SCENARIOS, Measure, Plan, Unusable, as_json, measure, table

from . import bars, gateway, machine
from .models import SHAPES, write_model
from .servers import EXTRA, SERVERS, Server, install, running, start_to_token

HERE = Path(__file__).parent
CHECKPOINTS = {"text-42m": None, "text-42m-q4": 4}
MORE_SCENARIOS = ("start", "bare", "gateway")
console = Console(stderr=True, highlight=False)


def say(text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)


def choices(known: tuple[str, ...]) -> Any:
    def parse(text: str) -> list[str]:
        wanted = [part for part in text.split(",") if part]
        wrong = [part for part in wanted if part not in known]
        if wrong:
            raise argparse.ArgumentTypeError(f"{wrong[0]!r} is none of {', '.join(known)}")
        return wanted

    return parse


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    names = (*SERVERS, *EXTRA)
    everything = [*SCENARIOS, *MORE_SCENARIOS]
    parser.add_argument(
        "--servers", type=choices(names), default=list(SERVERS), help=", ".join(names)
    )
    parser.add_argument(
        "--scenarios",
        type=choices(tuple(everything)),
        default=everything,
        help=", ".join(everything),
    )
    parser.add_argument(
        "--checkpoints",
        type=choices(tuple(CHECKPOINTS)),
        default=list(CHECKPOINTS),
        help=", ".join(CHECKPOINTS),
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--calm",
        type=float,
        default=0,
        metavar="SECONDS",
        help="wait up to this long before each server until nothing else runs on the machine",
    )
    parser.add_argument("--quick", action="store_true", help="one round, shorter streams")
    parser.add_argument(
        "--models", type=Path, default=HERE.parent / "models", help="where the checkpoints are kept"
    )
    parser.add_argument("--results", type=Path, default=HERE / "results")
    return parser.parse_args()  # fmt: skip


def checkpoint(folder: Path, name: str) -> Path:
    path = folder / name
    if not (path / "config.json").exists():
        say(f"making {path}")
        write_model(path, SHAPES["text-42m"], bits=CHECKPOINTS[name])
    return path


def plan_for(args: argparse.Namespace, server: str, name: str) -> Plan:
    """Lengths are the same for every server on a checkpoint; only the rounds may be fewer."""
    plan = Plan(tuple(args.scenarios), args.rounds, args.rounds)
    if args.quick:
        plan = replace(plan, rounds=1, long_rounds=1, tokens_each=32)
    if CHECKPOINTS[name]:
        # On a neighbour's CPU path a quantised checkpoint crawls, prompts too: some 4 tok/s.
        short = tuple(s for s in plan.scenarios if s in ("first-token", "throughput"))
        plan = replace(plan, scenarios=short, tokens_each=plan.tokens_each // 2)
    if server == "mlxd":
        return plan
    if CHECKPOINTS[name]:
        return replace(plan, rounds=1, long_rounds=1)
    return replace(plan, long_rounds=min(2, plan.long_rounds))


class Run:
    """One run's findings; they are on the disk after every step, should the next one fail."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.series = secrets.token_hex(4)
        self.machine = machine.describe()
        self.runs: dict[str, dict[str, list[Measure]]] = {}
        self.starts: dict[str, Measure] = {}
        self.bare: dict[str, Any] | None = None
        self.gateway: list[Measure] = []
        self.broken: list[str] = []
        self.disturbed: dict[str, float] = {}
        args.results.mkdir(parents=True, exist_ok=True)
        self.file = args.results / f"{datetime.now().strftime('%Y-%m-%d-%H%M%S')}.json"

    async def all(self) -> None:
        # Cut off from outside, it still stops the server that runs, and shows what it has.
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        for name in self.args.checkpoints:
            if not set(self.args.scenarios) & set(SCENARIOS):
                break
            for server in self.args.servers:
                await self.beside(name, server)
                # Next to what it is held against, should the machine's mood change.
                if (name, server) == (bars.PLAIN, bars.OURS) and "bare" in self.args.scenarios:
                    self.bare_loop()
        if "start" in self.args.scenarios:
            await self.start_times()
        if "bare" in self.args.scenarios and self.bare is None:
            self.bare_loop()
        if "gateway" in self.args.scenarios:
            await self.gateway_cost()

    async def beside(self, name: str, server_name: str) -> None:
        model = checkpoint(self.args.models, name)
        self.look_around(f"{server_name} on {name}")
        try:
            server, python = self.server(server_name)
            async with running(server, model, self.series, python) as (instance, target):
                plan = plan_for(self.args, server_name, name)
                found = self.runs.setdefault(name, {}).setdefault(server_name, [])
                async for fresh in measure(target, plan, say, instance.cpu_by_process):
                    found.extend(fresh)
                    self.save()
                found.append(Measure("memory afterwards", "MB", "lower", [instance.rss() / 1e6]))
        except (Unusable, OSError, subprocess.CalledProcessError) as error:
            self.fail(f"{name}: {error}")
        self.save()

    def server(self, name: str) -> tuple[Server, str]:
        if name in SERVERS:
            return SERVERS[name], sys.executable
        return EXTRA[name], install(name, self.args.models / f".venv-{name}")

    async def start_times(self) -> None:
        self.look_around("the starts")
        model = checkpoint(self.args.models, "text-42m")
        rounds = 2 if self.args.quick else 5
        # One round more than counts: the first reads files that later ones find in memory.
        for turn in range(rounds + 1):
            for name in self.args.servers:
                measure = self.starts.setdefault(
                    name, Measure("process start to first token", "s", "lower")
                )
                try:
                    server, python = self.server(name)
                    seconds = await start_to_token(server, model, python)
                    if turn:
                        measure.values.append(seconds)
                    say(f"{name}: start to first token {seconds:.2f} s")
                except (Unusable, OSError, subprocess.CalledProcessError) as error:
                    measure.faults.append(str(error))
                    say(f"{name}: {error}")
        self.save()

    def look_around(self, what: str) -> None:
        """Figures from a busy machine are kept, but they say so."""
        used = machine.wait_for_calm(self.args.calm)
        if used > machine.CALM_PERCENT:
            self.disturbed[what] = used
            say(f"NOT CALM: others use {used:.0f}% of the machine before {what}")

    def bare_loop(self) -> None:
        self.look_around("the bare loop")
        model = checkpoint(self.args.models, "text-42m")
        tokens = 32 if self.args.quick else 64
        rounds = 1 if self.args.quick else self.args.rounds
        command = [sys.executable, "-m", "bench.bare", str(model), "--tokens", str(tokens)]
        command += ["--rows", "8", "--rounds", str(rounds)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent)
        if done.returncode:
            self.fail(f"the bare loop failed: {done.stderr.strip()[-500:]}")
        else:
            self.bare = json.loads(done.stdout)
            say(f"bare loop, 8 rows: {self.bare['throughput tok/s']:.0f} tok/s with the prompts")
        self.save()

    async def gateway_cost(self) -> None:
        self.look_around("the gateway")
        try:
            model = checkpoint(self.args.models, "text-42m")
            self.gateway = await gateway.measure(say, model, quick=self.args.quick)
        except (Unusable, OSError) as error:
            self.fail(f"gateway: {error}")
        self.save()

    def fail(self, text: str) -> None:
        self.broken.append(text)
        say(f"NOT MEASURED: {text}")

    def bars(self) -> list[bars.Bar]:
        return [
            *bars.beside_others(self.runs),
            bars.of_bare(self.runs, self.bare),
            *bars.of_ourselves(self.runs),
            *gateway.bars(self.gateway),
            bars.of_starts(self.starts),
        ]

    def save(self) -> None:
        found = {
            "machine": self.machine,
            "quick": self.args.quick,
            "runs": {name: as_json(servers) for name, servers in self.runs.items()},
            "start": {name: m.as_json() for name, m in self.starts.items()},
            "bare": self.bare,
            "gateway": [m.as_json() for m in self.gateway],
            "not measured": self.broken,
            "percent of the machine that others used": self.disturbed,
            "bars": [bar.as_json() for bar in self.bars()],
        }
        self.file.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")

    def show(self) -> None:
        out = machine.console()
        for name, servers in self.runs.items():
            out.print(table(servers, name))
        if self.starts:
            out.print(table({name: [m] for name, m in self.starts.items()}, "start"))
        if self.gateway:
            out.print(table({"mlxd": self.gateway}, "the gateway alone, a fake engine behind it"))
        doubt = "doubtful: the machine was busy, see below" if self.disturbed else ""
        out.print(bars.table(self.bars(), doubt))
        for what, used in self.disturbed.items():
            out.print(f"doubtful: others used {used:.0f}% of the machine before {what}")
        for line in self.broken:
            out.print(f"not measured: {line}", style="red", markup=False)
        out.print(f"written to {self.file}", markup=False)


def main() -> int:
    run = Run(arguments())
    try:
        uvloop.run(run.all())
    except (KeyboardInterrupt, asyncio.CancelledError):
        run.fail("the rest: cut off")
    run.save()
    run.show()
    return 1 if run.broken else 0


if __name__ == "__main__":
    sys.exit(main())
