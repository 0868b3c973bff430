"""Which processes are ours, kept in a file, so that a gateway killed with SIGKILL leaves nothing.

One file for each gateway in `<data>/run/`: its own identity and its engines'. At the next start,
the engines in files of dead gateways are ended; a living gateway's file is not touched. A process
is known by its number, the time when it started and the boot it belongs to.
"""

import ctypes
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

# A leftover that still hears SIGTERM gets this long to end by itself.
LEFTOVER_GRACE_S = 3.0
POLL_S = 0.02
log = logging.getLogger(__name__)

_LINUX: bool = sys.platform == "linux"


class Mark(msgspec.Struct, frozen=True):
    """`started` is what the system says; it is only ever compared with itself."""

    pid: int
    started: str
    boot: str
    what: str = ""


class RunFile(msgspec.Struct):
    gateway: Mark
    engines: list[Mark] = []
    url: str = ""


def mark(pid: int, what: str = "") -> Mark | None:
    """None when there is no such process."""
    started = _started(pid)
    return None if started is None else Mark(pid, started, _boot(), what)


def lives(known: Mark) -> bool:
    return known.boot == _boot() and _started(known.pid) == known.started


def _started(pid: int) -> str | None:
    if _LINUX:
        # Ticks since boot: unlike a date, it does not move when the clock is set.
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    import psutil

    try:
        process = psutil.Process(pid)
        dead = process.status() == psutil.STATUS_ZOMBIE
        return None if dead else f"{process.create_time():.2f}"
    except psutil.Error:
        return None


def _boot() -> str:
    if _LINUX:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    if (session := _boot_session()) is not None:
        return session
    import psutil

    # Rounded: where it is derived from the clock, it wanders by a fraction of a second.
    return str(round(psutil.boot_time() / 60))


def _boot_session() -> str | None:
    """macOS: unlike the time of boot, it stays when the clock is set."""
    try:
        read = ctypes.CDLL(None).sysctlbyname
    except AttributeError:
        return None
    text = ctypes.create_string_buffer(64)
    size = ctypes.c_size_t(len(text))
    failed = read(b"kern.bootsessionuuid", text, ctypes.byref(size), None, ctypes.c_size_t(0))
    return None if failed else text.value.decode("ascii", "replace")


class Record:
    """This gateway's own file; written whole at each change."""

    def __init__(self, data_dir: Path, url: str = "") -> None:
        own = mark(os.getpid())
        assert own is not None
        self._path = data_dir / "run" / f"{own.pid}.json"
        self._file = RunFile(own, url=url)

    def begin(self) -> None:
        try:
            self._write()
        except OSError as error:
            log.warning(
                "%s can't be written (%s): mlxd status and down won't find it.", self._path, error
            )

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".tmp")
        temporary.write_bytes(msgspec.json.encode(self._file))
        temporary.replace(self._path)

    def add(self, pid: int, what: str) -> None:
        known = mark(pid, what)
        if known is not None:
            self._file.engines.append(known)
            self._try_write()

    def drop(self, pid: int) -> None:
        self._file.engines = [known for known in self._file.engines if known.pid != pid]
        self._try_write()

    def close(self) -> None:
        try:
            self._path.unlink(missing_ok=True)
        except OSError:
            # Where it could not be written either. What is left names a process that is gone.
            return

    def _try_write(self) -> None:
        try:
            self._write()
        except OSError:
            # A full disk: engines still end with their channel, which is the first line of defence.
            return


def run_files(data_dir: Path) -> list[Path]:
    """None where another user's folder may not be entered, in which `glob` would raise."""
    folder = data_dir / "run"
    try:
        return sorted(folder / name for name in os.listdir(folder) if name.endswith(".json"))
    except OSError:
        return []


def gateways(data_dir: Path) -> Iterator[tuple[Path, RunFile]]:
    for path in run_files(data_dir):
        try:
            yield path, msgspec.json.decode(path.read_bytes(), type=RunFile)
        except (OSError, msgspec.DecodeError):
            continue


def living_gateways(data_dir: Path) -> list[RunFile]:
    return [file for _, file in gateways(data_dir) if lives(file.gateway)]


def end_leftovers(data_dir: Path) -> list[Mark]:
    """End the engines of gateways that are gone; returns those that had to be ended."""
    left: list[Mark] = []
    for path, file in gateways(data_dir):
        if lives(file.gateway):
            continue
        left += [known for known in file.engines if lives(known)]
        path.unlink(missing_ok=True)
    for number, patience in ((signal.SIGTERM, LEFTOVER_GRACE_S), (signal.SIGKILL, 1.0)):
        until = time.monotonic() + patience
        for known in filter(lives, left):
            _signal_group(known.pid, number)
        while any(map(lives, left)) and time.monotonic() < until:
            time.sleep(POLL_S)
    return left


def _signal_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        return
