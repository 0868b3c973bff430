"""`pytest --mlxd-url URL`: every check of mlxd smoke as a test of an application's own CI."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from mlxd.smoke import Report


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("mlxd", "model servers judged by mlxd smoke")
    group.addoption("--mlxd-url", metavar="URL", help="judge the server there")
    group.addoption("--mlxd-model", metavar="NAME", default="", help="the model to ask it for")
    group.addoption("--mlxd-api-key", metavar="KEY", help="sent as bearer token")
    group.addoption("--mlxd-suite", action="append", metavar="NAME", help="only this suite")
    group.addoption("--mlxd-timeout", type=float, default=120.0, help="seconds for one answer")


def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    if config.getoption("--mlxd-url"):
        items.extend(_checks(session, config))


def _checks(session: pytest.Session, config: pytest.Config) -> Iterator["CheckItem"]:
    from mlxd.smoke import CORE, SUITES

    wanted = config.getoption("--mlxd-suite") or list(SUITES)
    for name in [one for asked in wanted for one in (CORE if asked == "core" else (asked,))]:
        if name not in SUITES:
            raise pytest.UsageError(f"--mlxd-suite {name}: there are core, {', '.join(SUITES)}")
        for check in SUITES[name].checks:
            node = f"mlxd-smoke::{check.id}"
            yield CheckItem.from_parent(session, name=check.id, nodeid=node, check=check.id)


class Failed(Exception):
    """The check did not pass; its text is the report."""


class CheckItem(pytest.Item):
    def __init__(self, *, check: str, **more: Any) -> None:
        super().__init__(**more)
        self._check = check

    def runtest(self) -> None:
        report = self._judge()
        result = report.runs[0].checks[0]
        if result.verdict == "SKIPPED":
            pytest.skip(result.reason)
        if result.verdict != "PASS":
            from mlxd.smoke.reports import failures

            raise Failed(failures(report.runs[0]))

    def _judge(self) -> "Report":
        import asyncio

        from mlxd.smoke import Options, Plan, Subject, judge

        option = self.config.getoption
        subject = Subject(
            url=option("--mlxd-url"),
            model_id=option("--mlxd-model"),
            api_key=option("--mlxd-api-key"),
        )
        plan = Plan(only=(self._check,), options=Options(timeout=option("--mlxd-timeout")))
        return asyncio.run(judge([subject], plan))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, Failed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[str, int | None, str]:
        return self.config.getoption("--mlxd-url"), None, self.name
