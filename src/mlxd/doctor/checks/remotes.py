"""Servers elsewhere whose models are served here: their keys are set, and they answer."""

from typing import Any

from ..finding import Case, Finding, ok, skipped, warn
from ..hints import asked, ours

TITLE = "Remotes"
WHY = (
    "A request for a model of a remote fails when that server can't be reached or refuses the key."
)

LIMIT_S = 8.0


def probe(url: str, key: str) -> dict[str, Any]:
    import httpx2

    headers = {"authorization": f"Bearer {key}"} if key else {}
    try:
        with httpx2.Client(timeout=LIMIT_S, headers=headers) as client:
            return {"status": client.get(url.rstrip("/") + "/models").status_code}
    except httpx2.HTTPError as error:
        return {"error": str(error) or type(error).__name__}


def look(case: Case) -> Finding:
    if not case.settings.remotes:
        return skipped("none in the settings")
    told, mend, good = [], [], []
    for one in case.settings.remotes:
        key = case.environ.get(one.key_env, "") if one.key_env else ""
        if one.key_env and not key:
            told.append(f"{one.name}: the variable {one.key_env} with its key is not set")
            mend.append(f"export {one.key_env}=…")
            continue
        answer = case.ask("remotes:probe", {"url": one.url, "key": key}, limit_s=LIMIT_S + 5)
        found = answer.value or {"error": answer.failure}
        status = found.get("status", 0)
        if status in (401, 403):
            told.append(f"{one.name}: it refuses the key ({status})")
            mend.append(f"export {one.key_env}=…" if one.key_env else ours("config"))
        elif not status or status >= 500:
            told.append(f"{one.name}: {found.get('error') or f'it answers {status}'}")
            mend += asked(one.url.rstrip("/") + "/models") or [ours("config")]
        else:
            good.append(one.name)
    if told:
        return warn("; ".join(told), *dict.fromkeys(mend))
    return ok(f"{', '.join(good)} answers" if len(good) == 1 else f"{', '.join(good)} answer")
