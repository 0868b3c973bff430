"""What an engine's last words mean, where they are those of a known failure."""

import logging
import sys
from pathlib import Path

import mlxd
from mlxd import wire

from .launch import TAIL_BYTES, log_tail

LOG_LINES = 5
# What an engine says of itself that another try would not change.
LASTING = {"cannot_load"}


class LastWords:
    """Why the engines of one model ended: by what they said, by how it looked from outside, and by
    the table of known failures."""

    def __init__(self) -> None:
        # Of the engine that runs, or of the last one; empty as long as it has none.
        self.error = ""
        # Of the last death, also while the next engine runs.
        self.explanation = ""
        self.lasting = False
        self._log: Path | None = None
        self._begin = 0

    def begin(self) -> None:
        """Another engine; the words of the one before are not its own."""
        self.error = ""
        self.lasting = False

    def logs_to(self, log: Path) -> None:
        self._log = log
        self._begin = _size_of(log)

    def said(self, failed: wire.Failed) -> None:
        self.error = failed.message
        self.lasting = failed.code in LASTING

    def died(self, seen: str) -> str:
        """`seen`: from outside, where it said nothing itself. Returns what the requests are told
        that were with it."""
        self.error = self.error or seen
        self.explanation = _explained(self.error, self._log, self._begin)
        return self.error + (f" ({self.explanation})" if self.explanation else "")

    def told(self, name: str, cause: str) -> str:
        """For people: with the explanation, and the end of the log."""
        tail = log_tail(self._log, LOG_LINES) if self._log else []
        lines = f" Last lines of {self._log}: " + " | ".join(tail) if tail else ""
        why = f" {self.explanation}" if self.explanation else ""
        return f"The engine of {name} failed: {(self.error or cause).rstrip('.')}.{why}{lines}"


def _size_of(log: Path) -> int:
    try:
        return log.stat().st_size
    except OSError:
        return 0


def _explained(told: str, log: Path | None, begin: int) -> str:
    """Empty where nothing is recognised. `begin`: where in the log this engine's own words begin;
    those of earlier ones must not be taken for them."""
    if told_replaced := replaced():
        return told_replaced
    try:
        # Only a death needs the table of failures: most gateways never see one.
        from mlxd.doctor.diagnose import explain
    except ImportError as error:
        logging.getLogger(__name__).error("nothing more is known of it: %s", error)
        return ""
    found = explain(f"{_last_words(log, begin)}\n{told}")
    return f"{found.cause} What to do: {found.do[0]}" if found else ""


def _installed() -> tuple[int, ...] | None:
    try:
        found = Path(mlxd.__file__).stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


_BEFORE = _installed()


def replaced() -> str:
    """Whether the installation that this service came from is still there; engines are started
    from what is there now."""
    if _installed() == _BEFORE and Path(sys.executable).exists():
        return ""
    return (
        f"The installation in {Path(mlxd.__file__).parent} was replaced or removed while this "
        "service ran. What to do: start the service again (mlxd down, then mlxd up)."
    )


def _last_words(log: Path | None, begin: int) -> str:
    if log is None:
        return ""
    try:
        with log.open("rb") as file:
            file.seek(max(begin, log.stat().st_size - TAIL_BYTES))
            return file.read(TAIL_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
