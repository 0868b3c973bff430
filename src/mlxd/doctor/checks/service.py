"""The service that runs now, if one does: whether it answers, and why engines have failed."""

import json
import urllib.request
from typing import Any

from mlxd.supervisor.record import living_gateways

from ..finding import Case, Finding, fail, ok, skipped, warn
from ..hints import found_program, ours, quoted

TITLE = "Running service"
WHY = "An engine that failed stays failed until it is started again, so that it can be looked at."

LIMIT_S = 5.0


def look(case: Case) -> Finding:
    running = living_gateways(case.settings.data_dir)
    if not running:
        return skipped("none runs")
    told: list[str] = []
    for one in running:
        try:
            status = _ask(f"{one.url}/status", case.settings.server.token)
        except (OSError, ValueError) as error:
            again = f"{ours('down', '--now')} && {ours('up')}"
            return fail(f"process {one.gateway.pid} ({one.url}) does not answer: {error}", again)
        engines = status.get("engines", {})
        failed = {k: e for k, e in engines.items() if e.get("state") in ("failed", "stalled")}
        if failed:
            return _failed(case, one.url, failed)
        states = ", ".join(f"{name} {engine.get('state')}" for name, engine in engines.items())
        told.append(f"{one.url} (process {one.gateway.pid}): {states or 'no engine'}")
    make = warn if len(running) > 1 else ok
    return make("; ".join(told), *([f"{ours('down')} && {ours('up')}"] if len(running) > 1 else []))


def _failed(case: Case, url: str, failed: dict[str, Any]) -> Finding:
    from ..diagnose import explain

    told, mend = [], []
    for name, engine in failed.items():
        error = str(engine.get("last_error") or engine.get("cause", ""))
        told.append(f"{name} {engine['state']}: {error[:300]}")
        known = explain(error)
        if known is not None:
            told[-1] += f" ({known.cause})"
        start = quoted("curl", "-X", "POST", f"{url}/engines/{name}/start")
        plain = found_program("curl") and not case.settings.server.token
        mend.append(start if plain else f"{ours('down')} && {ours('up')}")
        mend.append(ours("logs", name))
    return fail("; ".join(told), *dict.fromkeys(mend))


def _ask(url: str, token: str | None) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url, headers=headers), timeout=LIMIT_S) as response:
        answer = json.load(response)
    if not isinstance(answer, dict):
        raise ValueError("its answer is not that of mlxd")
    return answer
