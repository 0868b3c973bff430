"""Progress for programs: the events of a run as lines of JSON."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from ..result import CheckResult, Run, Target


class Lines:
    """An observer; `write` takes each line and hands it on at once."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write

    def _tell(self, event: str, **more: Any) -> None:
        self._write(msgspec.json.encode({"event": event, **more}).decode() + "\n")

    def starting(self, model: str) -> None:
        self._tell("starting", model=model)

    def run_began(self, target: Target, results: Sequence[CheckResult]) -> None:
        checks = [
            {"id": one.id, "suite": one.suite, "title": one.title, "planned": one.planned}
            for one in results
        ]
        named = {"name": target.name, "url": target.url, "model": target.model}
        self._tell("run_began", target=named, checks=checks)

    def check_began(self, result: CheckResult) -> None:
        self._tell("check_began", id=result.id)

    def waiting(self, told: str) -> None:
        self._tell("waiting", told=told)

    def round_ended(self, result: CheckResult) -> None:
        last = result.rounds[-1]
        self._tell(
            "round_ended",
            id=result.id,
            number=last.number,
            verdict=last.verdict,
            seconds=last.seconds,
            message=last.message,
        )

    def check_ended(self, result: CheckResult) -> None:
        self._tell(
            "check_ended",
            id=result.id,
            verdict=result.verdict,
            passed=result.passed,
            rounds=len(result.rounds),
            reason=result.reason,
            category=result.category,
        )

    def run_ended(self, run: Run) -> None:
        self._tell("run_ended", verdict=run.verdict, cut_short=run.cut_short, error=run.error)
