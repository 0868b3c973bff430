"""Every planted fault is found and put into its category; the correct server raises no alarm."""

import pytest

from mlxd.smoke import Run

from .judging import judged
from .mutants import MUTANTS, Mutant
from .table import PATH, table

ORDINARY_RUNS = 10
SOAK_RUNS = 200

_judged: dict[str, Run] = {}


async def _once(mutant: Mutant) -> Run:
    if mutant.name not in _judged:
        _judged[mutant.name] = await judged(mutant)
    return _judged[mutant.name]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
async def test_a_planted_fault_is_found_and_named(mutant: Mutant) -> None:
    run = await _once(mutant)
    found = {check.id: (check.category, check.reason) for check in run.checks if check.category}
    assert run.verdict == "FAIL", found
    assert run.category == mutant.category, found
    assert not [check for check in run.checks if check.reason.startswith("the check itself broke")]


async def _alarms(runs: int) -> list[str]:
    found = []
    for number in range(runs):
        run = await judged()
        found += [
            f"run {number}, {check.id}: {check.verdict} {check.reason} "
            + "; ".join(one.message for one in check.rounds if one.message)
            for check in run.checks
            if check.verdict != "PASS"
        ]
    return found


async def test_the_correct_server_raises_no_alarm() -> None:
    assert await _alarms(ORDINARY_RUNS) == []


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_the_correct_server_raises_no_alarm_in_two_hundred_runs() -> None:
    assert await _alarms(SOAK_RUNS) == []


async def test_the_table_in_the_docs_is_what_the_runs_show() -> None:
    made = table([(mutant, await _once(mutant)) for mutant in MUTANTS])
    assert PATH.read_text(encoding="utf-8") == made, f"{PATH} is stale: python -m tests.smoke.table"
