"""What `mlxd smoke` itself needs of a processor, beside what the server that it judges needs.

python -m bench.harness                     the bundled model
python -m bench.harness --model DIR --suite core
"""

import argparse
import asyncio
import json

import psutil

from mlxd.smoke import CORE, SUITES, Plan, Subject, judge
from mlxd.smoke.started import served

# Of what the server needs; more would be in its way.
MOST_SHARE = 0.02


def used(pid: int) -> float:
    """Seconds of a processor, of a process and all that it started."""
    root = psutil.Process(pid)
    times = [one.cpu_times() for one in (root, *root.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def _server() -> int:
    children = psutil.Process().children()
    return next(one.pid for one in children if "serve" in one.cmdline())


async def measured(model: str, plan: Plan) -> dict[str, float | str]:
    async with served(model) as started:
        server = _server()
        before = used(server)
        report = await judge([Subject(url=started.url)], plan)
        needed = used(server) - before
    run = report.runs[0]
    return {
        "verdict": run.verdict,
        "checks": len(run.checks),
        "wall_s": run.seconds,
        "harness_cpu_s": run.own_seconds,
        "server_cpu_s": round(needed, 2),
        "share": round(run.own_seconds / needed, 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.harness")
    parser.add_argument("--model", default="", help="a name or a folder; the bundled one")
    parser.add_argument("--suite", default="", help=f"core, or one of {', '.join(SUITES)}")
    given = parser.parse_args()
    suites = CORE if given.suite == "core" else (given.suite,) if given.suite else tuple(SUITES)
    found = asyncio.run(measured(given.model, Plan(suites=suites)))
    print(json.dumps(found, indent=1))
    told = "met" if float(found["share"]) < MOST_SHARE else "missed"
    print(f"harness / server: {float(found['share']):.2%} (bar: below {MOST_SHARE:.0%}): {told}")


if __name__ == "__main__":
    main()
