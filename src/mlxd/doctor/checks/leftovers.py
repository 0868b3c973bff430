"""What earlier services have left behind: engines that live, records, unfinished files."""

import time
from pathlib import Path

import msgspec

from mlxd.machine import damaged_files, unfinished_files
from mlxd.supervisor.record import Mark, gateways, lives, run_files

from ..finding import Case, Finding, ok, warn
from ..hints import ours

TITLE = "Leftovers"
WHY = "An engine that outlived its service holds a model's memory for nobody."

# A file that is being made just now is younger than this.
UNFINISHED_S = 3600.0


class Left(msgspec.Struct, frozen=True):
    engines: list[Mark]
    records: list[Path]
    unreadable: list[Path]


def find(data_dir: Path) -> Left:
    engines: list[Mark] = []
    records: list[Path] = []
    read = set()
    for path, file in gateways(data_dir):
        read.add(path)
        if not lives(file.gateway):
            records.append(path)
            engines += [one for one in file.engines if lives(one)]
    unreadable = [path for path in run_files(data_dir) if path not in read]
    return Left(engines, [*records, *unreadable], unreadable)


def look(case: Case) -> Finding:
    left = find(case.settings.data_dir)
    told = []
    if left.engines:
        pids = ", ".join(f"{one.pid} ({one.what})" for one in left.engines)
        told.append(f"{len(left.engines)} engine(s) of a service that is gone still run: {pids}")
    if left.records:
        told.append(f"{len(left.records)} record(s) of services that are gone")
    if damaged := damaged_files():
        told.append(f"damaged in the cache: {', '.join(path.name for path in damaged)}")
    if old := unfinished_files(before=time.time() - UNFINISHED_S):
        told.append(f"{len(old)} unfinished file(s) in the cache")
    if told:
        fix = ours("doctor", "--fix", "--only", "leftovers")
        return warn("; ".join(told), fix, engines=[one.pid for one in left.engines])
    return ok("nothing")
