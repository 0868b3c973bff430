"""How many files and connections a process may have open."""

import resource

from ..finding import Case, Finding, fail, ok, warn

TITLE = "Open files"
WHY = "Each connection and each weight file takes one; when they run out, clients are refused."

# 256 is what macOS gives by default: some two hundred clients.
FEW = 512
LEAST = 128
GOOD = 4096


def look(case: Case) -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    shown = "no limit" if soft == resource.RLIM_INFINITY else str(soft)
    facts = {"soft": soft, "hard": hard}
    if soft == resource.RLIM_INFINITY or soft >= FEW:
        return ok(f"{shown} at once", **facts)
    within = GOOD if hard == resource.RLIM_INFINITY else min(GOOD, hard)
    make = fail if soft < LEAST else warn
    return make(f"only {shown} at once", f"ulimit -n {within}", **facts)
