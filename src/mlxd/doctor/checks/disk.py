"""Room on the disks of the data folder and of the models, and what could go to make some."""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from mlxd.catalog import hub_cache
from mlxd.catalog.pull.places import PARTIAL

from ..finding import Case, Finding, fail, ok, warn
from ..hints import data_elsewhere, existing, is_read_only, ours, own_again, quoted, shown

TITLE = "Disk"
WHY = "Assignments and logs can't be written on a full disk, and a download stops in the middle."

LEAST = 200_000_000
# A 4-bit model of 4 billion parameters takes some 3 GB.
FEW_FOR_MODELS = 5_000_000_000
# What is named of all that could go: the largest.
NAMED = 5
# Another program's download that has not been written to for so long has ended.
LEFT_ALONE_S = 86400.0


class Spare(msgspec.Struct, frozen=True):
    """Something in `folder` that nothing here needs. `command` removes it; that of a model asks
    first."""

    what: str
    size: int
    command: str
    folder: str


def look(case: Case) -> Finding:
    places = {"data": case.settings.data_dir, "models": hub_cache()}
    free = {name: shutil.disk_usage(existing(path)).free for name, path in places.items()}
    found = ", ".join(f"{shown(free[name])} free for {name} ({places[name]})" for name in places)
    spare = sorted(spares(case), key=lambda one: one.size, reverse=True)
    facts = {**free, "spare": [msgspec.to_builtins(one) for one in spare]}
    if free["data"] < LEAST:
        spare = _on_the_disk_of(places["data"], spare)
        mend = _mend(spare, places["data"])
        return fail(_told(found, spare), *mend, data_elsewhere(), **facts)
    if free["models"] < FEW_FOR_MODELS:
        spare = _on_the_disk_of(places["models"], spare)
        told = _told(f"{found}: too little for most models", spare)
        return warn(told, *_mend(spare, places["models"]), **facts)
    return _permissions(places["models"], found, facts) or ok(found, **facts)


def spares(case: Case) -> Iterator[Spare]:
    """What mlxd downloaded and nothing is assigned to, downloads that have ended too early, logs
    that were put aside."""
    yield from _models(case)
    cache, logs = hub_cache(), case.settings.data_dir / "logs"
    if left := _sizes(_left_by_others(cache)):
        what = "other programs' unfinished downloads"
        yield Spare(what, sum(left.values()), quoted("rm", *left), str(cache))
    if aside := _sizes(logs.glob("*.log.[0-9]*")):
        yield Spare("old logs", sum(aside.values()), quoted("rm", *aside), str(logs))


def _models(case: Case) -> Iterator[Spare]:
    from mlxd.catalog.hub import hub_id_of, repository
    from mlxd.catalog.pull import downloading
    from mlxd.catalog.pull.remove import plan

    from .models import entries, hub_ids

    used = [entry.path for entry in entries(case)]
    named = hub_ids(case)
    for folder in sorted(hub_cache().glob("models--*--*")):
        hub_id = hub_id_of(folder.name)
        if hub_id in named or any(repository(hub_id) in path.parents for path in used):
            continue
        try:
            removal = plan(hub_id)
        except OSError:
            continue  # not ours to look into, so not ours to remove
        if removal.freed and downloading(hub_id) is None:
            what = hub_id if removal.blobs else f"{hub_id} (unfinished)"
            yield Spare(what, removal.freed, ours("models", "rm", hub_id), str(folder))


def _left_by_others(cache: Path) -> Iterator[Path]:
    before = time.time() - LEFT_ALONE_S
    for file in cache.glob("models--*/blobs/*.incomplete"):
        if not file.name.endswith(PARTIAL) and file.stat().st_mtime < before:
            yield file


def _sizes(files: Iterator[Path]) -> dict[Path, int]:
    found: dict[Path, int] = {}
    # What may not be looked into, others may have to keep; other findings say that it is so.
    with contextlib.suppress(OSError):
        for file in sorted(files):
            if file.is_file() and (size := file.stat().st_size):
                found[file] = size
    return found


def _on_the_disk_of(place: Path, spare: list[Spare]) -> list[Spare]:
    """What lies on another makes no room there."""
    disk = existing(place).stat().st_dev
    return [one for one in spare if Path(one.folder).stat().st_dev == disk]


def _told(found: str, spare: list[Spare]) -> str:
    named = ", ".join(f"{one.what} ({shown(one.size)})" for one in spare[:NAMED])
    more = f" and {len(spare) - NAMED} more" if len(spare) > NAMED else ""
    return f"{found}. Could go: {named}{more}" if named else found


def _mend(spare: list[Spare], place: Path) -> list[str]:
    """First what is known to be of no use, then a look at the rest."""
    return [*(one.command for one in spare[:NAMED]), quoted("du", "-xhd1", existing(place))]


def _permissions(models: Path, found: str, facts: Mapping[str, object]) -> Finding | None:
    """Of the folder of models: without them nothing is found in it, or nothing can be fetched."""
    folder = existing(models)
    if not os.access(folder, os.R_OK | os.X_OK):
        lost = "can't be read, so no model in it is found"
    elif not os.access(folder, os.W_OK):
        lost = "can't be written, so no model can be fetched"
    else:
        return None
    elsewhere = quoted("export", f"HF_HOME={Path.home() / 'mlxd-models'}")
    mend = [elsewhere] if is_read_only(folder) else [own_again(folder), elsewhere]
    return warn(f"{found}; {folder} {lost}", *mend, **facts)
