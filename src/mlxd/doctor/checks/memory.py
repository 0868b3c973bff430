"""Memory and swap, against what the assigned models are estimated to need."""

from ..finding import Case, Finding, fail, ok, warn
from ..hints import largest, ours, shown

TITLE = "Memory"
WHY = "A model that does not fit is ended by the system while it loads, or makes everything crawl."

# Below this, not even the bundled model leaves room for anything else.
LEAST = 1_000_000_000
# Swapped out already, with little left: what is loaded now will be slow.
BUSY_SWAP = 0.5


def needed(case: Case) -> int:
    """Of all that is assigned or configured, by the supervisor's own estimate."""
    from mlxd.supervisor.ledger import estimate

    from .models import entries

    return sum(estimate(entry, case.settings.engine.kv_budget) for entry in entries(case))


def look(case: Case) -> Finding:
    import psutil

    from mlxd.machine import memory
    from mlxd.supervisor.ledger import SHARE

    here, swap = memory(), psutil.swap_memory()
    need = needed(case)
    budget = case.settings.engine.memory_budget or int(here.total * SHARE)
    facts = {
        "total": here.total,
        "available": here.available,
        "limit": here.limit,
        "swap_total": swap.total,
        "swap_used": swap.used,
        "needed": need,
        "budget": budget,
    }
    found = f"{shown(here.available)} of {shown(here.total)} free ({here.limit})"
    found += f", swap {shown(swap.used)} of {shown(swap.total)} used" if swap.total else ", no swap"
    # Nothing where none can be loaded, or all are of remotes: then there is no number to tell.
    found += f"; the models to be served need about {shown(need)}" if need else ""
    if need > budget:
        told = f"{found}, more than the budget of all engines ({shown(budget)})"
        return fail(told, "export MLXD_MODELS=pilot", ours("models", "ls"), **facts)
    if here.available < LEAST:
        return warn(f"{found}: little is left", *largest(), **facts)
    if need > here.available:
        return warn(f"{found}: not now, beside what runs", *largest(), **facts)
    if swap.total and swap.used > BUSY_SWAP * swap.total and need > here.available / 2:
        return warn(f"{found}: the system swaps", *largest(), **facts)
    return ok(found, **facts)
