"""mlxd beside mlx_lm.server on an NVIDIA GPU: many clients, a small model, bfloat16.

    python -m bench.cuda [--clients 32,64] [--tokens 256] [--rounds 3] [--models DIR]

Needs MLX's CUDA wheels in place of the CPU one, nothing else and no network; packages that are
only on PYTHONPATH do. mlx_lm.server decodes 32 at a time unless told otherwise: it is told.
"""

import argparse
import json
import secrets
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console

from mlxd.bench import Measure, Plan, Unusable, as_json, measure, table

from . import bars, machine
from .models import SHAPES, write_model
from .servers import MLX_LM, MLXD, Server, running

HERE = Path(__file__).parent
SHAPE = "qwen3-0.6b"
# How many times mlx_lm.server's throughput, at every number of clients.
TIMES = 1.5

console = Console(stderr=True, highlight=False)


def say(text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.cuda", description=__doc__)
    parser.add_argument(
        "--clients", type=lambda t: [int(n) for n in t.split(",")], default=[32, 64]
    )
    parser.add_argument("--tokens", type=int, default=256, help="of each stream")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", type=Path, default=HERE.parent / "models")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--shape", choices=SHAPES, default=SHAPE)
    parser.add_argument("--any-device", action="store_true", help="go on without a GPU")
    return parser.parse_args()


def device() -> str:
    """Asked of a process of its own: this one must hold no memory of the GPU."""
    asked = "import mlx.core as mx; print(mx.default_device(), mx.device_info())"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True)
    return done.stdout.strip() or done.stderr.strip()[-300:]


def make_model(folder: Path, shape: str) -> Path:
    path = folder / shape
    if not (path / "config.json").exists():
        say(f"making {path}")
        write_model(path, SHAPES[shape])
    return path


def bare(model: Path, rows: int, tokens: int, rounds: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.bare", str(model), "--rows", str(rows)]
    command += ["--tokens", str(tokens), "--rounds", str(rounds)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent)
    if done.returncode:
        return {"rows": rows, "failed": done.stderr.strip()[-500:]}
    found: dict[str, Any] = json.loads(done.stdout)
    return found


async def compare(args: argparse.Namespace, model: Path) -> dict[str, list[Measure]]:
    wide = str(max(args.clients))
    # The neighbour as its users would set it up for this many clients.
    lm = Server(MLX_LM.name, (*MLX_LM.command, "--decode-concurrency", wide))
    plan = Plan(
        scenarios=("first-token", "throughput"),
        rounds=args.rounds,
        long_rounds=args.rounds,
        clients=args.clients,
        tokens_each=args.tokens,
    )
    series = secrets.token_hex(4)
    results: dict[str, list[Measure]] = {}
    for server in (MLXD, lm):
        try:
            async with running(server, model, series) as (instance, target):
                found = results.setdefault(server.name, [])
                async for fresh in measure(target, plan, say, instance.cpu_by_process):
                    found.extend(fresh)
        except (Unusable, OSError) as error:
            say(f"NOT MEASURED: {error}")
    return results


def main() -> int:
    args = arguments()
    found: dict[str, Any] = {"machine": machine.describe(), "device": device()}
    say(found["device"])
    if "gpu" not in found["device"] and not args.any_device:
        say("MLX sees no GPU here. Install mlx[cuda13] in place of mlx[cpu], or use --any-device.")
        return 2
    model = make_model(args.models, args.shape)
    results = uvloop.run(compare(args, model))
    loops = [bare(model, rows, args.tokens, args.rounds) for rows in args.clients]
    judged = []
    for clients in args.clients:
        figure = f"throughput, {clients} clients"
        judged.append(bars.against({args.shape: results}, args.shape, MLX_LM.name, figure, TIMES))
    found |= {
        "servers": as_json(results) if results else {},
        "bare": loops,
        "bars": [bar.as_json() for bar in judged],
    }
    args.results.mkdir(parents=True, exist_ok=True)
    file = args.results / f"cuda-{datetime.now().strftime('%Y-%m-%d-%H%M%S')}.json"
    file.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    out = machine.console()
    if results:
        out.print(table(results, args.shape))
    for loop in loops:
        out.print(f"bare loop: {json.dumps(loop)}", markup=False, highlight=False)
    out.print(bars.table(judged))
    out.print(f"written to {file}", markup=False)
    return 0 if len(results) == 2 else 1


if __name__ == "__main__":
    sys.exit(main())
