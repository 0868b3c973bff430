"""The client part of the benchmark: any OpenAI-compatible servers, side by side."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvloop
from rich.console import Console

from . import measures
from .report import as_json, faults, show, table
from .statistics import Measure
from .target import Target, Unusable


@dataclass(frozen=True)
class Plan:
    """What to measure, and how often. A scenario with 0 in its place is left out."""

    rounds: int = 3
    prompt_tokens: int = 600
    clients: Sequence[int] = (1, 4, 8)
    tokens_each: int = 64
    chat_tokens: int = 2000
    prefill_tokens: int = 4000


async def measure(target: Target, plan: Plan, console: Console) -> list[Measure]:
    found: list[Measure] = []

    def keep(fresh: list[Measure]) -> None:
        found.extend(fresh)
        for one in fresh:
            line = f"{target.name}: {one.name}: {show(one.median, one.unit)}"
            console.print(line + "".join(f"\n    at fault: {f}" for f in one.faults), markup=False)

    rounds = plan.rounds
    await target.calibrate()
    keep(await measures.short_request(target, rounds=rounds))
    if plan.prompt_tokens:
        keep(await measures.first_token(target, tokens=plan.prompt_tokens, rounds=rounds))
    for clients in plan.clients:
        keep(
            await measures.throughput(
                target, clients=clients, tokens=plan.tokens_each, rounds=rounds
            )
        )
    if plan.chat_tokens:
        keep(await measures.second_turn(target, tokens=plan.chat_tokens, rounds=rounds))
    if plan.prefill_tokens:
        keep(await measures.interference(target, tokens=plan.prefill_tokens, rounds=rounds))
    return found


async def _measure_all(
    urls: Mapping[str, str], plan: Plan, model: str | None, api_key: str | None, console: Console
) -> dict[str, list[Measure]]:
    series = secrets.token_hex(4)
    results = {}
    for name, url in urls.items():
        target = await Target.at(name, url, model=model, api_key=api_key, series=series)
        try:
            results[name] = await measure(target, plan, console)
        finally:
            target.client.close()
    return results


def run(
    urls: Mapping[str, str],
    *,
    plan: Plan | None = None,
    model: str | None = None,
    api_key: str | None = None,
    json_path: Path | None = None,
    as_json_only: bool = False,
) -> int:
    """Measure the servers one after the other and print the comparison.

    `urls` maps a name to each base URL; ratios are against the first. Returns the exit code: 1
    where a round was at fault, 2 where a server can't be measured at all.
    """
    progress = Console(stderr=True, highlight=False)
    try:
        results = uvloop.run(_measure_all(urls, plan or Plan(), model, api_key, progress))
    except (Unusable, ValueError) as error:
        progress.print(str(error), style="red", markup=False)
        return 2
    text = json.dumps(as_json(results), indent=1)
    if json_path:
        json_path.write_text(text + "\n")
    if as_json_only:
        print(text)
    else:
        Console().print(table(results))
    return 1 if faults(results) else 0
