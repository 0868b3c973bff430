"""What a check is given, and what it says."""

import enum
import os
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from mlxd.settings import Settings

from .child import Answer, ask


class Status(enum.StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """`mend`: commands that mend it as they stand, the best first. `facts` are for programs."""

    name: str = ""
    title: str = ""
    status: Status
    found: str
    why: str = ""
    mend: list[str] = []
    facts: dict[str, Any] = {}
    seconds: float = 0.0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    version: str
    status: Status
    counts: dict[str, int]
    checks: list[Finding]
    # Since 1970, when it began.
    at: float
    seconds: float
    interrupted: bool = False


class Check(Protocol):
    """A module of `checks`. `look` must end by itself, within some twenty seconds."""

    TITLE: str
    WHY: str

    @staticmethod
    def look(case: "Case") -> Finding: ...


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """`settings` are the service's own; `complaint` says why they could not be read, and defaults
    stand in for them."""

    settings: Settings
    environ: Mapping[str, str] = os.environ
    complaint: str = ""

    def ask(
        self,
        function: str,
        arguments: Mapping[str, Any] = {},
        *,
        limit_s: float = 20.0,
        **environment: str,
    ) -> Answer:
        """Call `function` ("module:name" in `checks`) in a process of its own."""
        return ask(function, arguments, limit_s, {**self.environ, **environment})


def ok(found: str, **facts: Any) -> Finding:
    return Finding(status=Status.OK, found=found, facts=facts)


def skipped(found: str, **facts: Any) -> Finding:
    return Finding(status=Status.SKIPPED, found=found, facts=facts)


def warn(found: str, *mend: str, **facts: Any) -> Finding:
    return Finding(status=Status.WARN, found=found, mend=list(mend), facts=facts)


def fail(found: str, *mend: str, **facts: Any) -> Finding:
    return Finding(status=Status.FAIL, found=found, mend=list(mend), facts=facts)
