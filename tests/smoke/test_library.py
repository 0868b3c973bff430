"""Called from Python: what an application's own scripts and notebooks do."""

import pytest

from mlxd.smoke import Plan, judge, run

from .fake import serving

STOP = Plan(suites=("stop",))


def test_a_server_is_judged_in_one_call() -> None:
    with serving() as fake:
        report = run(url=fake.url, plan=STOP)
    assert report.exit_code == 0
    assert {check.suite for check in report.runs[0].checks} == {"stop"}


async def test_it_works_where_a_loop_runs_already() -> None:
    """As in a notebook, and beside what that loop does itself."""
    with serving() as fake:
        assert run(url=fake.url, plan=STOP).exit_code == 0
        assert (await judge([], STOP)).runs == []


def test_a_suite_that_is_none_is_said_with_those_that_are() -> None:
    with pytest.raises(ValueError, match=r"'nope' is no suite\. There are: health, basic"):
        run(url="http://127.0.0.1:1", plan=Plan(suites=("nope",)))
