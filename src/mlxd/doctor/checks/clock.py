"""The clock, against the hub's and against the day of this release."""

import datetime
import sys
from pathlib import Path

from ..finding import Case, Finding, fail, ok, warn
from ..hints import as_root
from .hub import LIMIT_S, endpoint, offline
from .versions import released

TITLE = "Clock"
WHY = "With a wrong clock, certificates of servers are refused, and logs and jobs are out of order."

ALLOWED_S = 120.0


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _set(right: datetime.datetime | None) -> list[str]:
    """By the network's time where the system can keep to it, by the hub's otherwise."""
    if sys.platform == "darwin":
        return [as_root("sntp -sS time.apple.com")]
    # Only systemd has what timedatectl asks.
    synced = [as_root("timedatectl set-ntp true")] if Path("/run/systemd/system").is_dir() else []
    if right is None:
        return synced or ["date -u", as_root('date -u -s "YYYY-MM-DD HH:MM:SS"')]
    return [*synced, as_root(f'date -u -s "{right:%Y-%m-%d %H:%M:%S}"')]


def look(case: Case) -> Finding:
    now = _now()
    found = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    ahead = None
    compared = "compared with nothing, offline"
    if not offline(case) and "://" in endpoint(case):
        arguments = {"url": endpoint(case), "token": ""}
        answer = case.ask("hub:probe", arguments, limit_s=LIMIT_S + 5)
        ahead = (answer.value or {}).get("ahead")
        compared = "compared with nothing, no server was reached"
    # As it is by now, and not when that was asked.
    right = _now() - datetime.timedelta(seconds=ahead) if ahead is not None else None
    if f"{now:%Y-%m-%d}" < released():
        return fail(f"{found}, before this release was made ({released()})", *_set(right))
    if ahead is None or right is None:
        return ok(f"{found}; {compared}")
    if abs(ahead) > ALLOWED_S:
        told = (
            f"{found}, {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} {endpoint(case)}"
        )
        return warn(told, *_set(right), ahead=ahead)
    return ok(f"{found}, within {max(1.0, abs(ahead)):.0f} s of {endpoint(case)}", ahead=ahead)
