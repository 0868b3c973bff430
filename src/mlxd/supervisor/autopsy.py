"""What an engine's last words mean, where they are those of a known failure."""

import logging
import sys
from pathlib import Path

import mlxd

from .launch import TAIL_BYTES


def size_of(log: Path) -> int:
    try:
        return log.stat().st_size
    except OSError:
        return 0


def explained(told: str, log: Path | None, begin: int) -> str:
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
