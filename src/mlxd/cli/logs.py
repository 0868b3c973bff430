"""`mlxd logs`"""

import time
from pathlib import Path

from mlxd.settings import Settings
from mlxd.supervisor.launch import log_file, log_tail

from .complaint import Complaint

POLL_S = 0.25


def run(settings: Settings, name: str | None, *, lines: int, follow: bool) -> int:
    files = _files(settings, name)
    for file in files:
        if len(files) > 1:
            print(f"==> {file} <==")
        for line in log_tail(file, lines) if lines else []:
            print(line)
    if follow:
        _follow(files)
    return 0


def _files(settings: Settings, name: str | None) -> list[Path]:
    folder = settings.data_dir / "logs"
    there = sorted(folder.glob("*.log"))
    if name is None:
        if not there:
            raise Complaint(f"There are no logs yet in {folder}.")
        return there
    wanted = log_file(settings.data_dir, name)
    if wanted not in there:
        known = ", ".join(file.stem.removeprefix("engine-") for file in there) or "none"
        raise Complaint(f"There is no log of {name!r} in {folder}. There are: {known}.")
    return [wanted]


def _follow(files: list[Path]) -> None:
    at = {file: file.stat().st_size for file in files}
    try:
        while True:
            for file in files:
                size = file.stat().st_size
                if size < at[file]:
                    at[file] = 0
                if size > at[file]:
                    with file.open(encoding="utf-8", errors="replace") as stream:
                        stream.seek(at[file])
                        print(stream.read(), end="", flush=True)
                        at[file] = stream.tell()
            time.sleep(POLL_S)
    except (KeyboardInterrupt, BrokenPipeError):
        return
