"""The clock, against the hub's and against the day of this release."""

import datetime
import sys

from ..finding import Case, Finding, fail, ok, warn
from .hub import LIMIT_S, endpoint, offline
from .versions import released

TITLE = "Clock"
WHY = "With a wrong clock, certificates of servers are refused, and logs and jobs are out of order."

ALLOWED_S = 120.0
_SET = "sudo sntp -sS time.apple.com"
if sys.platform == "linux":
    _SET = "sudo timedatectl set-ntp true"


def look(case: Case) -> Finding:
    now = datetime.datetime.now(datetime.UTC)
    found = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    if f"{now:%Y-%m-%d}" < released():
        return fail(f"{found}, before this release was made ({released()})", _SET)
    if offline(case) or "://" not in endpoint(case):
        return ok(f"{found}; compared with nothing, offline")
    arguments = {"url": endpoint(case), "token": ""}
    answer = case.ask("hub:probe", arguments, limit_s=LIMIT_S + 5)
    ahead = (answer.value or {}).get("ahead")
    if ahead is None:
        return ok(f"{found}; compared with nothing, no server was reached")
    if abs(ahead) > ALLOWED_S:
        told = (
            f"{found}, {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} {endpoint(case)}"
        )
        return warn(told, _SET, ahead=ahead)
    return ok(f"{found}, within {max(1.0, abs(ahead)):.0f} s of {endpoint(case)}", ahead=ahead)
