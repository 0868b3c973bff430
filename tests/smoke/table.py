"""Writes what docs/reference/ has of smoke: python -m tests.smoke.table"""

import json
from collections.abc import Sequence
from pathlib import Path

from mlxd.smoke import Run, json_schema
from mlxd.smoke.reports import Texts

from .mutants import MUTANTS, Mutant
from .pool import BY_NAME, open_pool

PATH = Path(__file__).parents[2] / "docs" / "reference" / "smoke-mutants.md"
SCHEMA = PATH.with_name("smoke-result.schema.json")

HEAD = """# Faults that `mlxd smoke` has been shown to find

Each line is a server that is correct but for one planted fault. The tests start it, run all suites
against it, and fail unless the fault is found and put into this category. The correct server passes
the same suites without an alarm. This file is written by `python -m tests.smoke.table`.

| Server | Planted fault | First found by | Category |
| --- | --- | --- | --- |
"""


def table(found: Sequence[tuple[Mutant, Run]]) -> str:
    say = Texts("en")
    lines = [
        f"| {mutant.name} | {mutant.fault} | {_first(run)} | {say.category(run.category)} |"
        for mutant, run in found
    ]
    return HEAD + "\n".join(lines) + f"\n\n{len(found)} faults.\n"


def _first(run: Run) -> str:
    return next((check.id for check in run.checks if check.verdict == "FAIL"), "nothing")


def _write() -> None:
    with open_pool() as pool:
        pool.begin(BY_NAME)
        made = table([(mutant, pool.of(mutant.name)) for mutant in MUTANTS])
    PATH.parent.mkdir(parents=True, exist_ok=True)
    PATH.write_text(made, encoding="utf-8")
    SCHEMA.write_text(json.dumps(json_schema(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    _write()
