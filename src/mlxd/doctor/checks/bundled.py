"""The bundled model, from the command to the answer: a service is started for it, and asked for
values that stand nowhere but in the question."""

from typing import Any

from ..finding import Case, Finding, fail, ok, skipped, warn
from ..hints import ours

TITLE = "Bundled model"
WHY = "Everything between a request and an answer works on this machine, whatever model comes next."

ROUNDS = 3
# Without a compiler and with a cold disk a start takes some seconds; a machine may be busy.
LIMIT_S = 90.0


def probe() -> dict[str, Any]:
    from mlxd.smoke import Plan, Subject, run_all

    report = run_all([Subject(model="pilot")], Plan(suites=("tool-role",), rounds=ROUNDS))
    run = report.runs[0]
    rounds = [one for check in run.checks for one in check.rounds]
    return {
        "error": run.error or run.cut_short,
        "passed": sum(check.passed for check in run.checks),
        "rounds": len(rounds),
        "said": [str(getattr(one, "message", "") or "") for one in rounds],
        "engine": {k: v for k, v in run.target.engine.items() if isinstance(v, str | float)},
    }


def look(case: Case) -> Finding:
    from mlxd.catalog.catalogue import pilot_path

    if pilot_path() is None:
        return skipped("this installation has none")
    answer = case.ask("bundled:probe", limit_s=LIMIT_S, MLXD_SERVER_TOKEN="")
    if answer.value is None:
        last = answer.said.splitlines()[-1:] or [""]
        return _failed(f"{answer.failure} {last[0]}".strip(), answer.said)
    found = answer.value
    if found["error"]:
        return _failed(str(found["error"]), str(found["error"]))
    told = f"{found['passed']} of {found['rounds']} fresh values came back"
    if not found["passed"]:
        return fail(f"{told}: {'; '.join(filter(None, found['said']))[:300]}", *_mend(), **found)
    return (ok if found["passed"] == found["rounds"] else warn)(told, **_more(found))


def _mend() -> list[str]:
    """It is known no closer than by its own log."""
    return [ours("smoke", "--model", "pilot", "--report", "smoke"), ours("logs", "pilot")]


def _more(found: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in found.items() if key != "said"}


def _failed(told: str, text: str) -> Finding:
    from ..diagnose import explain

    known = explain(text)
    what = f"it does not answer: {told[:500]}"
    return fail(f"{what} ({known.cause})" if known else what, *_mend(), output=text[-2000:])
