"""The one result object that every report is made from. Its JSON form is published."""

from typing import Any, Literal

import msgspec

from .faults import Category
from .statistics import pass_hat_k, wilson

Verdict = Literal["PASS", "FAIL", "ERROR", "SKIPPED"]
Kind = Literal["contract", "behaviour"]
SCHEMA_VERSION = 1


class Exchange(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One request and what came back, as it came. `curl` repeats it from a shell."""

    method: str
    url: str
    request: Any = None
    curl: str
    status: int | None = None
    headers: dict[str, str] = {}
    response: str = ""
    truncated: bool = False
    seconds: float = 0.0
    first_byte_seconds: float | None = None
    error: str | None = None


class Round(msgspec.Struct, kw_only=True, omit_defaults=True):
    number: int
    verdict: Verdict
    seconds: float = 0.0
    first_token_seconds: float | None = None
    tokens: int | None = None
    expected: str = ""
    got: str = ""
    category: Category | None = None
    message: str = ""
    exchanges: list[Exchange] = []


class Accused(msgspec.Struct, frozen=True):
    """Whose fault a failure against an mlxd is, and what shows it."""

    who: Literal["gateway", "engine", "gateway or engine", "template", "model"]
    why: str


class CheckResult(msgspec.Struct, kw_only=True):
    id: str
    suite: str
    kind: Kind
    title: dict[str, str]
    expected: dict[str, str]
    verdict: Verdict
    planned: int
    # The share of rounds that must pass.
    mark: float
    reason: str = ""
    category: Category | None = None
    rounds: list[Round] = []
    accused: Accused | None = None

    @property
    def judged(self) -> list[Round]:
        return [one for one in self.rounds if one.verdict != "SKIPPED"]

    @property
    def passed(self) -> int:
        return sum(one.verdict == "PASS" for one in self.rounds)

    @property
    def interval(self) -> tuple[float, float]:
        return wilson(self.passed, len(self.judged))

    @property
    def pass_hat(self) -> float | None:
        """The chance that all rounds of a run of this check pass (pass^k, k = 5 or fewer)."""
        rounds = len(self.judged)
        return pass_hat_k(self.passed, rounds, min(5, rounds)) if rounds else None


class Target(msgspec.Struct, kw_only=True):
    """What was judged."""

    name: str
    url: str
    model: str
    server: str = ""
    started_by_us: bool = False
    command: list[str] = []
    listed: dict[str, Any] = {}
    # What else the server lists.
    others: list[str] = []
    # What mlxd's /status says of the engine: versions, device, dtype. Empty for other servers.
    engine: dict[str, Any] = {}


class Run(msgspec.Struct, kw_only=True):
    """All checks against one server."""

    target: Target
    started: str
    seconds: float
    options: dict[str, Any]
    environment: dict[str, str]
    checks: list[CheckResult]
    # Why it ended early; empty when it ran to its end.
    cut_short: str = ""
    # What could not be judged at all, such as a server that never answered.
    error: str = ""
    # Seconds that the harness itself used of a processor.
    own_seconds: float = 0.0

    def count(self, verdict: Verdict) -> int:
        return sum(one.verdict == verdict for one in self.checks)

    @property
    def verdict(self) -> Verdict:
        if self.count("FAIL"):
            return "FAIL"
        if self.error or self.cut_short or self.count("ERROR"):
            return "ERROR"
        return "PASS" if self.count("PASS") else "SKIPPED"

    @property
    def category(self) -> Category | None:
        """What most failed rounds are; the earlier one where two are as many."""
        counts: dict[Category, int] = {}
        for check in self.checks:
            for one in check.rounds:
                if one.category:
                    counts[one.category] = counts.get(one.category, 0) + 1
        return max(counts.items(), key=lambda item: item[1])[0] if counts else None


class Report(msgspec.Struct, kw_only=True):
    """One or more runs; several stand side by side."""

    runs: list[Run]
    schema_version: int = SCHEMA_VERSION
    mlxd_version: str = ""

    @property
    def verdict(self) -> Verdict:
        verdicts = [run.verdict for run in self.runs]
        for one in ("FAIL", "ERROR", "PASS"):
            if one in verdicts:
                return one
        return "SKIPPED"

    @property
    def exit_code(self) -> int:
        return {"PASS": 0, "FAIL": 1}.get(self.verdict, 2)


def json_schema() -> dict[str, Any]:
    return msgspec.json.schema(Report)


def to_json(report: Report) -> bytes:
    return msgspec.json.format(msgspec.json.encode(report), indent=1)


def from_json(data: bytes) -> Report:
    return msgspec.json.decode(data, type=Report)
