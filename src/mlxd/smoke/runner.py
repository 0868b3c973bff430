"""Runs the checks against one server. Whatever happens, what was found so far is a whole Run."""

import asyncio
import json
import platform
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from time import perf_counter
from typing import Any, Literal, Protocol

import msgspec

import mlxd

from .check import Check, Options, Probe
from .checks import SUITES
from .faults import Fault, Skip
from .nonce import Nonces
from .reach import Refused, entries, listed, pick
from .result import CheckResult, Exchange, Round, Run, Target, Verdict
from .server import Server
from .statistics import AUTO_MARK, AUTO_MOST
from .verdicts import conclude, decided, hopeless

# Checks in a row that ended without any answer; then the server is taken for wedged.
WEDGED_CHECKS = 3
KEPT_CHARACTERS = 64_000

Rounds = int | Literal["auto"] | None


class Plan(msgspec.Struct, kw_only=True, frozen=True):
    """`rounds` None: as many as each check wants. `time_limit` in seconds, of the whole run."""

    suites: Sequence[str] = tuple(SUITES)
    # Ids of checks; empty for all of the suites.
    only: Sequence[str] = ()
    rounds: Rounds = None
    mark: float | None = None
    time_limit: float | None = None
    options: Options = Options()

    def checks(self) -> list[Check]:
        if wrong := [name for name in self.suites if name not in SUITES]:
            raise ValueError(f"{wrong[0]!r} is no suite. There are: {', '.join(SUITES)}.")
        all_ = [check for name in self.suites for check in SUITES[name].checks]
        return [check for check in all_ if not self.only or check.id in self.only]


class Observer(Protocol):
    def starting(self, model: str) -> None: ...
    def run_began(self, target: Target, results: Sequence[CheckResult]) -> None: ...
    def check_began(self, result: CheckResult) -> None: ...
    def waiting(self, told: str) -> None: ...
    def round_ended(self, result: CheckResult) -> None: ...
    def check_ended(self, result: CheckResult) -> None: ...
    def run_ended(self, run: Run) -> None: ...


class Silent:
    """Tells nobody."""

    def starting(self, model: str) -> None: ...
    def run_began(self, target: Target, results: Sequence[CheckResult]) -> None: ...
    def check_began(self, result: CheckResult) -> None: ...
    def waiting(self, told: str) -> None: ...
    def round_ended(self, result: CheckResult) -> None: ...
    def check_ended(self, result: CheckResult) -> None: ...
    def run_ended(self, run: Run) -> None: ...


class _Over(Exception):
    """Going on makes no sense, and the message says why."""


class Runner:
    def __init__(
        self,
        target: Target,
        plan: Plan,
        observer: Observer,
        *,
        api_key: str | None = None,
        insecure: bool = False,
    ) -> None:
        self.target = target
        self._plan = plan
        self._observer = observer
        self._nonces = Nonces()
        self._notes: dict[str, float] = {}
        self._key = api_key
        self._insecure = insecure
        self._checks = plan.checks()
        self._results = [self._blank(check) for check in self._checks]
        self._started = datetime.now(UTC)
        self._began = perf_counter()
        self._used = time.process_time()
        self._cut = ""
        self._refused = ""
        self._task: asyncio.Task[None] | None = None
        self._wedged = 0

    def stop(self, why: str) -> None:
        """End now; `run` returns what there is."""
        self._cut = self._cut or why
        if self._task:
            self._task.cancel()

    async def run(self) -> Run:
        self._task = task = asyncio.create_task(self._all())
        if self._cut:
            task.cancel()
        limit = self._plan.time_limit
        timer = None
        if limit:
            why = f"the time limit of {limit:g} s for the whole run was reached"
            timer = asyncio.get_running_loop().call_later(limit, self.stop, why)
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()
            if timer:
                timer.cancel()
        if not task.cancelled():
            task.result()
        run = self._whole()
        self._observer.run_ended(run)
        return run

    def not_run(self, why: str) -> Run:
        """The report of a run that could not even begin."""
        for result in self._results:
            result.reason = f"not reached: {why.partition(chr(10))[0]}"
        run = self._whole()
        run.error = why
        self._observer.run_ended(run)
        return run

    async def _all(self) -> None:
        server = Server(
            self.target.url,
            api_key=self._key,
            timeout=self._plan.options.timeout,
            local=self.target.started_by_us,
            insecure=self._insecure,
        )
        try:
            await self._learn(server)
            self._observer.run_began(self.target, self._results)
            for check, result in zip(self._checks, self._results, strict=True):
                self._observer.check_began(result)
                await self._check(server, check, result)
        except _Over as over:
            self._cut = self._cut or str(over)
        finally:
            await server.aclose()

    async def _learn(self, server: Server) -> None:
        """Which model, and what is said of it. A list that can't be read is the checks' matter."""
        try:
            data, reply = await listed(server)
        except Refused as refused:
            self._refused = str(refused)
            raise _Over(self._refused) from None
        named = reply.exchange.headers.get("server", "") if reply and data else ""
        self.target.server = self.target.server or named
        found = pick(data, self.target.model)
        others = [one for one in entries(data) if one is not found and "id" in one]
        self.target.others = [str(one["id"]) for one in others]
        self.target.listed = {name: found[name] for name in found if name != "object"}
        self.target.model = self.target.model or str(found.get("id") or "")
        self.target.engine = await _engine(server, str(found.get("id") or ""))

    async def _check(self, server: Server, check: Check, result: CheckResult) -> None:
        auto = self._plan.rounds == "auto" and check.kind == "behaviour"
        cut = ""
        try:
            for number in range(1, result.planned + 1):
                await self._round(server, check, result, number)
                self._observer.round_ended(result)
                if result.rounds[-1].verdict == "SKIPPED" and number == 1:
                    break
                if hopeless(result):
                    cut = "no answer, twice in a row"
                    break
                if auto and decided(result) is not None:
                    break
        except asyncio.CancelledError:
            cut = self._cut or "cancelled"
            raise
        except _Over as over:
            cut = str(over)
            raise
        finally:
            conclude(result, auto=auto, cut=cut)
            self._observer.check_ended(result)
        self._count_wedged(result)

    def _count_wedged(self, result: CheckResult) -> None:
        self._wedged = self._wedged + 1 if hopeless(result) else 0
        if self._wedged >= WEDGED_CHECKS:
            raise _Over(f"the server gave no answer in {WEDGED_CHECKS} checks in a row")

    async def _round(self, server: Server, check: Check, result: CheckResult, number: int) -> None:
        probe = Probe(
            server,
            self.target.model,
            self._plan.options,
            self._nonces,
            self.target.listed,
            number,
            self._notes,
            self._observer.waiting,
        )
        began = perf_counter()

        def note(verdict: Verdict, got: str, fault: Fault | None = None, message: str = "") -> None:
            one = Round(
                number=number,
                verdict=verdict,
                seconds=round(perf_counter() - began, 4),
                first_token_seconds=probe.first_token_s,
                tokens=probe.tokens,
                expected=probe.expected,
                got=got,
                category=fault.category if fault else None,
                message=fault.message if fault else message,
                exchanges=[] if verdict == "PASS" else [_short(one) for one in probe.exchanges],
            )
            result.rounds.append(one)

        try:
            got = await check.run(probe)
        except Skip as skip:
            note("SKIPPED", "", message=str(skip))
        except Fault as fault:
            note("ERROR" if fault.error else "FAIL", fault.got, fault)
            if fault.category == "server_down" and not await server.alive():
                if server.answered:
                    raise _Over(f"the server is gone: {fault.message}") from None
                raise _Over(f"the server can't be reached: {fault.message}") from None
        except asyncio.CancelledError:
            note("SKIPPED", "", message=f"cut off in this round: {self._cut or 'cancelled'}")
            raise
        except Exception as error:  # noqa: BLE001 - see below
            # A reply of a form that nobody thought of must not cost the report.
            told = f"the answer can't be read: {type(error).__name__}: {error}"
            if probe.exchanges:
                note("FAIL", probe.exchanges[-1].response[:500], Fault("wire_format", told))
            else:
                note("ERROR", "", message=f"the check itself broke: {told}")
        else:
            note("PASS", got)

    def _blank(self, check: Check) -> CheckResult:
        auto = self._plan.rounds == "auto"
        rounds = check.rounds
        if check.kind == "behaviour" and self._plan.rounds is not None:
            rounds = AUTO_MOST if auto else int(self._plan.rounds)
        mark = check.mark
        if check.kind == "behaviour":
            mark = min(check.mark, AUTO_MARK) if auto else self._plan.mark or check.mark
        return CheckResult(
            id=check.id,
            suite=check.suite,
            kind=check.kind,
            title=check.title,
            expected=check.expected,
            verdict="SKIPPED",
            planned=rounds,
            mark=mark,
            reason="not reached",
        )

    def _whole(self) -> Run:
        for result in self._results:
            if not result.rounds and self._cut:
                result.reason = f"not reached: {self._cut}"
        options: dict[str, Any] = msgspec.to_builtins(self._plan.options)
        options["rounds"] = self._plan.rounds or "as each check wants"
        options["suites"] = list(self._plan.suites)
        return Run(
            target=self.target,
            started=self._started.isoformat(timespec="seconds"),
            seconds=round(perf_counter() - self._began, 3),
            options=options,
            environment={
                "mlxd": mlxd.__version__,
                "python": platform.python_version(),
                "platform": platform.platform(),
                "machine": platform.machine(),
            },
            checks=self._results,
            cut_short="" if self._refused else self._cut,
            error=self._refused,
            own_seconds=round(time.process_time() - self._used, 3),
        )


async def _engine(server: Server, model: str) -> dict[str, Any]:
    try:
        reply = await server.send("GET", "/status")
        told = json.loads(reply.body)
        engine = told["engines"][model]
        found = {name: engine[name] for name in ("versions", "device", "dtype") if name in engine}
        begun = [one["at"] for one in engine["history"] if one["state"] == "starting"]
        return found | {"data_dir": told.get("data_dir"), "started_at": max(begun, default=None)}
    except (Fault, ValueError, KeyError, TypeError):
        return {}


def _short(exchange: Exchange) -> Exchange:
    if len(exchange.response) <= KEPT_CHARACTERS:
        return exchange
    kept = exchange.response[:KEPT_CHARACTERS]
    return msgspec.structs.replace(exchange, response=kept, truncated=True)
