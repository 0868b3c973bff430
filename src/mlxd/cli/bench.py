"""`mlxd bench`: servers measured from outside, side by side."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mlxd.bench import SCENARIOS, Plan
from mlxd.bench import run as compare

from .complaint import Complaint

HERE = "http://127.0.0.1:60315"


def run(
    urls: Sequence[str],
    *,
    model: str | None,
    api_key: str | None,
    scenarios: Sequence[str],
    clients: Sequence[int],
    rounds: int,
    tokens: int,
    json_path: Path | None,
    as_json: bool,
) -> int:
    plan = Plan(rounds=rounds, long_rounds=rounds, tokens_each=tokens)
    plan = replace(
        plan,
        scenarios=_known(scenarios) or plan.scenarios,
        clients=tuple(clients) or plan.clients,
    )
    return compare(
        _named(urls or [f"mlxd={HERE}"]),
        plan=plan,
        model=model,
        api_key=api_key,
        json_path=json_path,
        as_json_only=as_json,
    )


def _named(urls: Sequence[str]) -> dict[str, str]:
    """NAME=URL each; a URL alone is its own name."""
    found: dict[str, str] = {}
    for given in urls:
        name, equals, url = given.partition("=")
        if not equals or "/" in name:
            name, url = given.removeprefix("http://").removeprefix("https://"), given
        if name in found:
            raise Complaint(f"--url names {name!r} twice; give each server a name of its own.", 2)
        found[name] = url
    return found


def _known(scenarios: Sequence[str]) -> tuple[str, ...]:
    wrong = [one for one in scenarios if one not in SCENARIOS]
    if wrong:
        raise Complaint(f"{wrong[0]!r} is no scenario: {', '.join(SCENARIOS)}.", 2)
    return tuple(scenarios)
