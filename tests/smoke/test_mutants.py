"""Every planted fault is found and put into its category; the correct server raises no alarm."""

import pytest

from .mutants import MUTANTS
from .pool import BY_NAME, Pool
from .table import PATH, table
from .variants import VARIANTS

ORDINARY_RUNS = 10
SOAK_RUNS = 200


@pytest.mark.parametrize("name", BY_NAME)
def test_a_planted_fault_is_found_and_named(name: str, pool: Pool) -> None:
    run = pool.of(name)
    found = {check.id: (check.category, check.reason) for check in run.checks if check.category}
    assert run.verdict == "FAIL", found
    assert run.category == BY_NAME[name].category, found
    assert not [check for check in run.checks if check.reason.startswith("the check itself broke")]


@pytest.mark.parametrize("name", VARIANTS)
def test_a_server_that_is_correct_in_another_way_raises_no_alarm(name: str, pool: Pool) -> None:
    run = pool.of(name)
    assert run.verdict == "PASS", [check.id for check in run.checks if check.verdict != "PASS"]


def _alarms(runs: int, pool: Pool) -> list[str]:
    numbers = [str(number) for number in range(runs)]
    pool.begin(numbers)
    return [
        f"run {number}, {check.id}: {check.verdict} {check.reason} "
        + "; ".join(one.message for one in check.rounds if one.message)
        for number in numbers
        for check in pool.of(number).checks
        if check.verdict != "PASS"
    ]


def test_the_correct_server_raises_no_alarm(pool: Pool) -> None:
    assert _alarms(ORDINARY_RUNS, pool) == []


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_the_correct_server_raises_no_alarm_in_two_hundred_runs(pool: Pool) -> None:
    assert _alarms(SOAK_RUNS, pool) == []


def test_the_table_in_the_docs_is_what_the_runs_show(pool: Pool) -> None:
    pool.begin(BY_NAME)
    made = table([(mutant, pool.of(mutant.name)) for mutant in MUTANTS])
    assert PATH.read_text(encoding="utf-8") == made, f"{PATH} is stale: python -m tests.smoke.table"
