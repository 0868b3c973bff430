"""Room on the disks of the data folder and of the models."""

import shutil

from mlxd.catalog import hub_cache

from ..finding import Case, Finding, fail, ok, warn
from ..hints import data_elsewhere, existing, quoted, shown

TITLE = "Disk"
WHY = "Assignments and logs can't be written on a full disk, and a download stops in the middle."

LEAST = 200_000_000
# A 4-bit model of 4 billion parameters takes some 3 GB.
FEW_FOR_MODELS = 5_000_000_000


def look(case: Case) -> Finding:
    places = {"data": case.settings.data_dir, "models": hub_cache()}
    free = {name: shutil.disk_usage(existing(path)).free for name, path in places.items()}
    found = ", ".join(f"{shown(free[name])} free for {name} ({places[name]})" for name in places)
    usage = [quoted("du", "-xhd1", existing(path)) for path in places.values()]
    if free["data"] < LEAST:
        return fail(found, usage[0], data_elsewhere(), **free)
    if free["models"] < FEW_FOR_MODELS:
        return warn(f"{found}: too little for most models", usage[1], **free)
    return ok(found, **free)
