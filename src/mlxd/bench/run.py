"""The client part of the benchmark: any OpenAI-compatible servers, side by side."""

import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvloop
from rich.console import Console

from . import measures
from .report import as_json, faults, show, table
from .statistics import Measure
from .target import Target, Unusable

SCENARIOS = ("first-token", "throughput", "second-turn", "interference")
Say = Callable[[str], None]
# Seconds of processor that each of the server's processes has used so far.
Processor = Callable[[], Mapping[str, float]]


@dataclass(frozen=True)
class Plan:
    """How much of everything. `long_rounds` is for prompts that a slow server reads for minutes."""

    scenarios: Sequence[str] = SCENARIOS
    rounds: int = 3
    long_rounds: int = 3
    prompt_tokens: int = 600
    clients: Sequence[int] = (1, 4, 8)
    tokens_each: int = 64
    chat_tokens: int = 2000
    prefill_tokens: int = 4000


async def measure(
    target: Target, plan: Plan, say: Say, processor: Processor | None = None
) -> AsyncIterator[list[Measure]]:
    """Figures as they are found, so that what was measured is kept if the next one fails."""
    async for fresh in _scenarios(target, plan, processor):
        for one in fresh:
            say(f"{target.name}: {one.name}: {show(one.median, one.unit)}")
            for fault in one.faults:
                say(f"    at fault: {fault}")
        yield fresh


async def _scenarios(
    target: Target, plan: Plan, processor: Processor | None
) -> AsyncIterator[list[Measure]]:
    often, seldom = plan.rounds, plan.long_rounds
    await target.calibrate()
    if "first-token" in plan.scenarios:
        yield await measures.short_request(target, rounds=often)
        yield await measures.first_token(target, tokens=plan.prompt_tokens, rounds=seldom)
    if "throughput" in plan.scenarios:
        for clients in plan.clients:
            yield await _throughput(target, plan, clients, processor)
    if "second-turn" in plan.scenarios:
        yield await measures.second_turn(target, tokens=plan.chat_tokens, rounds=seldom)
    if "interference" in plan.scenarios:
        yield await measures.interference(target, tokens=plan.prefill_tokens, rounds=seldom)


async def _throughput(
    target: Target, plan: Plan, clients: int, processor: Processor | None
) -> list[Measure]:
    before = processor() if processor else {}
    found = await measures.throughput(
        target, clients=clients, tokens=plan.tokens_each, rounds=plan.rounds
    )
    tokens = found[0].notes["tokens"]
    if processor and tokens:
        found[0].notes["processor ms a token"] = {
            name: round(1e3 * (used - before.get(name, 0.0)) / tokens, 3)
            for name, used in processor().items()
        }
    return found


async def _measure_all(
    urls: Mapping[str, str], plan: Plan, model: str | None, api_key: str | None, say: Say
) -> dict[str, list[Measure]]:
    series = secrets.token_hex(4)
    results: dict[str, list[Measure]] = {}
    for name, url in urls.items():
        target = await Target.at(name, url, model=model, api_key=api_key, series=series)
        try:
            results[name] = [one async for fresh in measure(target, plan, say) for one in fresh]
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
    console = Console(stderr=True, highlight=False)

    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    try:
        results = uvloop.run(_measure_all(urls, plan or Plan(), model, api_key, say))
    except (Unusable, ValueError) as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        return 2
    text = json.dumps(as_json(results), indent=1)
    if json_path:
        json_path.write_text(text + "\n")
    if as_json_only:
        print(text)
    else:
        Console().print(table(results))
    return 1 if faults(results) else 0
