"""The limits of a container: cores and memory."""

import os
import sys

from ..finding import Case, Finding, ok, skipped, warn
from ..hints import shown

TITLE = "Container limits"
WHY = "mlxd takes as many threads and as much memory as the container may use, not the machine."

LEAST_MEMORY = 1_500_000_000


def look(case: Case) -> Finding:
    if sys.platform != "linux":
        return skipped("only on Linux")
    from mlxd.machine import available_cores, memory

    here, cores, all_cores = memory(), available_cores(), os.cpu_count() or 1
    facts = {"cores": cores, "machine_cores": all_cores, "memory": here.total, "limit": here.limit}
    if here.limit == "machine" and cores >= all_cores:
        return ok(f"none: all {all_cores} cores, all memory", **facts)
    found = f"{cores} of {all_cores} cores, {shown(here.total)} of memory ({here.limit})"
    if here.limit == "container" and here.total < LEAST_MEMORY:
        return warn(f"{found}: too little for most models", "docker run --memory 4g …", **facts)
    return ok(found, **facts)
