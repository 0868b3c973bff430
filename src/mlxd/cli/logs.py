"""`mlxd logs`"""

import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mlxd.settings import Settings
from mlxd.supervisor.launch import log_file, log_tail

from .complaint import Complaint

POLL_S = 0.25
ENGINE = "engine-"
# Lines begin with the time, so that this much of two logs is the same in no other case.
SAME_BYTES = 4096
_LEVEL = re.compile(r"\b(ERROR|CRITICAL|WARNING)\b")
_COLOURS = {"ERROR": "31", "CRITICAL": "31", "WARNING": "33"}


def run(settings: Settings, name: str | None, *, lines: int, follow: bool) -> int:
    files = _files(settings, name)
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    followed = {file: Followed(file) for file in files} if follow else {}
    try:
        for file in files:
            if len(files) > 1:
                print(f"==> {file} <==")
            for line in log_tail(file, lines) if lines else []:
                print(_coloured(line, colour))
        if follow:
            _follow(settings, name, followed, colour)
    except (KeyboardInterrupt, BrokenPipeError):
        # Nothing is left to be flushed into a pipe that nobody reads.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        for one in followed.values():
            one.close()
    return 0


def names(settings: Settings) -> list[str]:
    """What can be asked for: models, gateway, desk."""
    return [file.stem.removeprefix(ENGINE) for file in _there(settings)]


def _there(settings: Settings) -> list[Path]:
    return sorted((settings.data_dir / "logs").glob("*.log"))


def _files(settings: Settings, name: str | None) -> list[Path]:
    folder = settings.data_dir / "logs"
    there = _there(settings)
    if name is None:
        if not there:
            raise Complaint(f"There are no logs yet in {folder}.")
        return there
    # A model before the service's own, should one be called gateway.
    for wanted in (log_file(settings.data_dir, name), folder / f"{name}.log"):
        if wanted in there:
            return [wanted]
    known = ", ".join(names(settings)) or "none"
    raise Complaint(f"There is no log of {name!r} in {folder}. There are: {known}.")


def _follow(
    settings: Settings, name: str | None, followed: dict[Path, "Followed"], colour: bool
) -> None:
    last: Path | None = None
    while True:
        if name is None:
            # A model that was started meanwhile has a log from its first line on.
            for file in _there(settings):
                followed.setdefault(file, Followed(file, from_start=True))
        for file, one in followed.items():
            for line in one.lines():
                if len(followed) > 1 and file != last:
                    print(f"==> {file} <==")
                last = file
                print(_coloured(line, colour), flush=True)
        # Neither system has a signal for it that needs no library.
        time.sleep(POLL_S)


class Followed:
    """A log as it grows, across both ways in which it is rotated: the gateway's is renamed and
    begun anew, an engine's is copied aside and cut, as the engine has it open."""

    def __init__(self, path: Path, *, from_start: bool = False) -> None:
        self._path = path
        self._file = _opened(path)
        self._at = 0
        self._part = b""
        self._copy = path.with_name(f"{path.name}.1")
        self._known_copy = _identity(self._copy)
        if self._file is not None and not from_start:
            self._at = self._file.seek(0, os.SEEK_END)

    def lines(self) -> Iterator[str]:
        """Whole ones that came since the last call."""
        data = b""
        another = self._is_another()
        if self._file is not None:
            if not another and self._was_cut(self._file):
                data += self._copied_aside()
                self._at = 0
            data += self._read(self._file)
        if another:
            if self._file is not None:
                self._file.close()
            self._at = 0
            self._file = _opened(self._path)
            self._known_copy = _identity(self._copy)
            if self._file is not None:
                data += self._read(self._file)
        *whole, self._part = (self._part + data).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _read(self, file: BinaryIO) -> bytes:
        file.seek(self._at)
        data = file.read()
        self._at += len(data)
        return data

    def _is_another(self) -> bool:
        try:
            now = self._path.stat()
        except FileNotFoundError:
            # Between its renaming and the first line of the next one.
            return False
        return self._file is None or not os.path.samestat(now, os.fstat(self._file.fileno()))

    def _was_cut(self, file: BinaryIO) -> bool:
        """Its size alone does not tell: it may have grown again since. A new copy does, once what
        was copied is gone from here."""
        copy = _identity(self._copy)
        if copy is None or copy == self._known_copy:
            return os.fstat(file.fileno()).st_size < self._at
        file.seek(0)
        with self._copy.open("rb") as older:
            if older.read(SAME_BYTES) == file.read(SAME_BYTES):
                return False
        self._known_copy = copy
        return True

    def _copied_aside(self) -> bytes:
        try:
            with self._copy.open("rb") as older:
                older.seek(self._at)
                return older.read()
        except OSError:
            return b""


def _identity(path: Path) -> tuple[int, ...] | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def _opened(path: Path) -> BinaryIO | None:
    try:
        return path.open("rb")
    except FileNotFoundError:
        return None


def _coloured(line: str, colour: bool) -> str:
    found = _LEVEL.search(line) if colour else None
    return f"\033[{_COLOURS[found[1]]}m{line}\033[0m" if found else line
