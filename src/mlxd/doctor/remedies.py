"""What `--fix` may do: only to what is ours, only what can't lose anything of value."""

import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from mlxd.settings import Settings

PRIVATE = stat.S_IRWXU
PRIVATE_FILE = stat.S_IRUSR | stat.S_IWUSR


class Remedy(msgspec.Struct, frozen=True):
    """`what` is the question that is asked before `do`; `do` returns what came of it."""

    check: str
    what: str
    do: Callable[[], str]


def remedies(settings: Settings) -> Iterator[Remedy]:
    yield from _leftovers(settings)
    yield from _permissions(settings)
    yield from _native()


def _leftovers(settings: Settings) -> Iterator[Remedy]:
    from mlxd.supervisor.record import end_leftovers

    from .checks.leftovers import find

    left = find(settings.data_dir)
    if left.engines or left.records:
        engines = ", ".join(f"{one.pid} ({one.what})" for one in left.engines)
        what = f"End engines of ours that outlived their service: {engines}" if engines else ""
        what = what or f"Remove {len(left.records)} record(s) of services that are gone"

        def end() -> str:
            ended = end_leftovers(settings.data_dir)
            for path in left.unreadable:
                path.unlink(missing_ok=True)
            return f"ended {len(ended)} engine(s), removed {len(left.records)} record(s)"

        yield Remedy("leftovers", what, end)


def _permissions(settings: Settings) -> Iterator[Remedy]:
    from .checks.folders import own_folders, secret_files

    def narrow(path: Path, wanted: int) -> Callable[[], str]:
        def do() -> str:
            path.chmod(wanted)
            return f"{path} is {stat.filemode(path.stat().st_mode)} now"

        return do

    for folder in own_folders(settings):
        try:
            found = folder.stat()
        except OSError:
            continue
        mode = stat.S_IMODE(found.st_mode)
        if found.st_uid != os.getuid() or not folder.is_dir():
            continue
        wanted = (mode | PRIVATE) & ~(stat.S_IWOTH | stat.S_IWGRP)
        if wanted != mode:
            yield Remedy("folders", f"chmod {wanted:o} {folder}", narrow(folder, wanted))
    for file in secret_files(settings):
        yield Remedy("folders", f"chmod 600 {file}", narrow(file, PRIVATE_FILE))


def _native() -> Iterator[Remedy]:
    from mlxd.machine import damaged_files, unfinished_files

    from .checks.leftovers import UNFINISHED_S

    def remove(paths: list[Path]) -> Callable[[], str]:
        def do() -> str:
            import shutil

            for path in paths:
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
            return f"removed {len(paths)}"

        return do

    damaged = damaged_files()
    if damaged:
        names = ", ".join(path.name for path in damaged)
        yield Remedy("products", f"Remove damaged files of the cache: {names}", remove(damaged))
    old = unfinished_files(before=time.time() - UNFINISHED_S)
    if old:
        yield Remedy("products", f"Remove {len(old)} unfinished file(s) of the cache", remove(old))
